// What the page's scripts know from Python, before any of them runs.
import { readFileSync } from "node:fs";

globalThis.UNMASK = JSON.parse(readFileSync(process.env.UNMASK_SETTINGS, "utf8"));
