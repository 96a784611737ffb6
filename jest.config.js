/** @type {import("jest").Config} */
export default {
  testEnvironment: "node",
  extensionsToTreatAsEsm: [".ts"],
  moduleNameMapper: { "^(\\.{1,2}/.*)\\.js$": "$1" },
  transform: { "\\.ts$": ["@swc/jest", { jsc: { target: "es2022", parser: { syntax: "typescript" } } }] },
  // Most tests wait for processes of their own, two files at a time as well as one.
  maxWorkers: 2,
  testMatch: ["<rootDir>/test/**/*.test.ts"],
  // A bound for hangs, not a measure: long forms of tests take as long as they take.
  testTimeout: process.env.AISLE_LONG === undefined ? 180_000 : 3_600_000,
};
