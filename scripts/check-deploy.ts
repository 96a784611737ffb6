// Looks through what deploy/ describes: whether each file is what its reader takes, and whether they agree with each other
// and with the program. Part of `npm run check`.
import { fileURLToPath, pathToFileURL } from "node:url";
import { checkCompose } from "./deploy/compose.js";
import { checkContainer } from "./deploy/container.js";
import { readDeployment, type Deployment, type Problem } from "./deploy/files.js";
import { checkKubernetes } from "./deploy/kubernetes.js";
import { checkMonitoring } from "./deploy/monitoring.js";
import { checkSystemd } from "./deploy/systemd.js";

/** Everything that is wrong, a sentence each. */
export async function checkDeployment(deployment: Deployment): Promise<readonly Problem[]> {
  const opinions = [
    checkContainer(deployment),
    await checkCompose(deployment),
    await checkKubernetes(deployment),
    await checkSystemd(deployment),
    checkMonitoring(deployment),
  ];
  return [...new Set(opinions.flat())];
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const problems = await checkDeployment(readDeployment(root));
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
