import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { KafkaBroker } from './kafka-broker.ts'

/** Apache Kafka as jars on this machine. */
export interface KafkaDistribution {
  /** The folder of the jars. */
  readonly libraries: string
  /** A class data archive of this machine's Java: halves what a start costs; it need not exist. */
  readonly archive: string
}

/** Its version: of 4.4.0 not all artifacts are published. */
export const kafkaVersion = '4.3.1'

/** The distribution that was installed before, or why there is none, and what to do. */
export function findKafkaDistribution(): KafkaDistribution | { readonly missing: string } {
  const java = javaVersion()
  if (java === undefined) return { missing: 'there is no Java: install 17 or later' }
  if (java.major < 17) return { missing: `Kafka needs Java 17 or later, and this is ${java.text}` }
  const folder = distributionFolder()
  if (!existsSync(join(folder, 'libs'))) {
    return { missing: `there is no Kafka in ${folder}: run npm run kafka -- --install` }
  }
  return { libraries: join(folder, 'libs'), archive: join(folder, `java-${java.text}.jsa`) }
}

/**
 * The distribution, installed by Maven into the user's cache folder where it is not there yet.
 * @throws {Error} without Java 17 or Maven, or if Maven fails; the message says what to do
 */
export async function installKafka(say: (text: string) => void): Promise<KafkaDistribution> {
  const folder = distributionFolder()
  if (javaVersion() !== undefined && !existsSync(join(folder, 'libs'))) {
    say(`installing Kafka ${kafkaVersion} in ${folder}`)
    copyDependencies(folder)
  }
  const found = findKafkaDistribution()
  if ('missing' in found) throw new Error(found.missing)
  if (!existsSync(found.archive)) await makeArchive(found)
  return found
}

function distributionFolder(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  return join(cache, 'tocsin', `kafka-${kafkaVersion}`)
}

function javaVersion(): { readonly text: string; readonly major: number } | undefined {
  const { stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' })
  const text = /version "([^"]+)"/.exec(stderr ?? '')?.[1]
  return text === undefined ? undefined : { text, major: Number.parseInt(text, 10) }
}

function copyDependencies(folder: string): void {
  mkdirSync(folder, { recursive: true })
  // Beside its target, and renamed when it is whole: somebody else may be installing too.
  const work = mkdtempSync(join(folder, 'install-'))
  try {
    writeFileSync(join(work, 'pom.xml'), pom)
    const goal = ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${work}/libs`]
    const { error, status, stdout } = spawnSync('mvn', goal, { cwd: work, encoding: 'utf8' })
    if (error !== undefined) {
      const without = `Kafka is installed by Maven, and mvn cannot be started (${error.message})`
      throw new Error(
        `${without}: install Maven, or set TOCSIN_TEST_KAFKA=host:port to use a broker that is there`,
      )
    }
    if (status !== 0) throw new Error(`mvn ${goal.join(' ')} failed:\n${stdout}`)
    if (!readdirSync(join(work, 'libs')).some((name) => name.startsWith('kafka_'))) {
      throw new Error(`mvn ${goal.join(' ')} has copied no Kafka`)
    }
    if (!existsSync(join(folder, 'libs'))) renameSync(join(work, 'libs'), join(folder, 'libs'))
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Starts a broker once and lets Java write down the classes that it has loaded. */
async function makeArchive(distribution: KafkaDistribution): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'tocsin-kafka-'))
  const made = `${distribution.archive}.${process.pid}`
  try {
    const broker = await KafkaBroker.start({
      directory,
      distribution,
      javaOptions: [`-XX:ArchiveClassesAtExit=${made}`],
    })
    await broker.stop()
    // A Java that cannot write archives is only slower.
    if (existsSync(made)) renameSync(made, distribution.archive)
  } finally {
    rmSync(made, { force: true })
    rmSync(directory, { recursive: true, force: true })
  }
}

/**
 * The broker, its tools without what they would bring of Connect and Jersey, and a log backend:
 * Kafka logs through slf4j 1.7, and without this binding to it says nothing.
 */
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>kafka-broker</artifactId><version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    ${dependency('org.apache.kafka', 'kafka_2.13', kafkaVersion)}
    ${dependency('org.apache.kafka', 'kafka-tools', kafkaVersion, true)}
    ${dependency('org.apache.kafka', 'kafka-tools-api', kafkaVersion)}
    ${dependency('org.apache.logging.log4j', 'log4j-slf4j-impl', '2.25.4')}
    ${dependency('org.apache.logging.log4j', 'log4j-core', '2.25.4')}
  </dependencies>
</project>
`

function dependency(group: string, artifact: string, version: string, alone = false): string {
  const exclusion = '<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>'
  return (
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId>` +
    `<version>${version}</version>` +
    `${alone ? `<exclusions>${exclusion}</exclusions>` : ''}</dependency>`
  )
}
