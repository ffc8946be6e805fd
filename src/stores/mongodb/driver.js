// Runs the scripts of one run in one mongosh. Orders come as lines of JSON through standard input, answers go out as
// marked lines; between them stands whatever the scripts print. The first order says which server; then come a `load`
// and a `run` for each script. This file is required and not loaded, so that mongosh does not rewrite it.
const fs = require("fs"), vm = require("vm"), path = require("path");
const AsyncFunction = (async () => {}).constructor;

module.exports = async function drive(shell) {
  const world = shell.world;
  const here = process.cwd();
  let mark, home, order, trouble;

  const answer = (word, what) =>
    new Promise(done => process.stdout.write(`${mark} ${word} ${JSON.stringify(what ?? {})}\n`, done));

  // mongosh rewrites a script so that it need not say `await`, and runs what came of it as a `vm.Script`. Whoever wants
  // to know the line has to see that text: the marks that were put at the beginning of the lines are still in it.
  const rewritten = new Map();
  const Script = vm.Script;
  vm.Script = class extends Script {
    constructor(code, options) {
      super(code, options);
      const name = options && options.filename;
      if (order && name === order.file) rewritten.set(name, String(code));
    }
  };

  function place(line, column) {
    const code = rewritten.get(order.file);
    if (code === undefined) return undefined;
    let at = 0;
    for (let n = 1; n < line; n++) {
      at = code.indexOf("\n", at) + 1;
      if (at === 0) return undefined;
    }
    const found = code.lastIndexOf(`/*${order.mark}:`, at + column - 1);
    return found < 0 ? undefined : parseInt(code.slice(found + order.mark.length + 3), 10);
  }

  // What an error says, with the frames of the script alone, at the lines that its author knows.
  function words(error) {
    if (!(error instanceof Error) && !(error && typeof error.stack === "string")) {
      let text;
      try { text = typeof error === "string" ? error : JSON.stringify(error) ?? String(error); } catch { text = "something that cannot be shown"; }
      return { text: `thrown: ${text}` };
    }
    let line;
    const frames = [];
    for (const frame of String(error.stack).split("\n")) {
      const at = frame.indexOf(order.file + ":");
      if (!/^\s+at /.test(frame) || at < 0) continue;
      const [l, c] = frame.slice(at + order.file.length + 1).split(":").map(n => parseInt(n, 10));
      const mine = place(l, c);
      if (mine === undefined) continue;
      line ??= mine;
      const name = /^\s+at (?:async )?(\S+) \(/.exec(frame);
      const words = `    at ${name ? name[1] + " " : ""}${order.path}:${mine}`;
      if (frames[frames.length - 1] !== words) frames.push(words);
    }
    const code = error.code === undefined ? "" : `[${error.codeName ?? error.code}]`;
    const lines = [`${error.name}${code}: ${error.message}`, ...frames];
    for (const key of ["errInfo", "writeErrors"]) {
      const more = error[key];
      if (more === undefined || (Array.isArray(more) && more.length === 0)) continue;
      try { lines.push(`${key}: ${JSON.stringify(more)}`); } catch { /* what cannot be shown is left out */ }
    }
    return { line, text: lines.join("\n") };
  }

  const parses = text => {
    try { return !!new Script(text); } catch { return false; }
  };

  // A script is loaded as it is, as mongosh loads files: it waits for the promise of the last expression, such as
  // `main()`. There is no `await` outside of functions then, nor `return`: scripts with either become a function.
  // In a static block, `await (x)` is no call.
  const isPlain = text => parses(text) && parses(`class C { static {${text}\n}}`);

  // `var db = ...` means the shell's `db`, which in a function would be another one.
  const parameter = text => (/\bvar\s+db\b/.test(text) ? "db" : "");

  // Finds what is no JavaScript before anything has run.
  function check(text) {
    const name = order.path;
    try {
      new Script(`(async (${parameter(text)}) => {${text}\n})`, { filename: name });
      // A script that closes our function and opens another one is caught by this alone.
      new AsyncFunction(parameter(text), text);
    } catch (error) {
      const stack = String(error.stack);
      const line = stack.startsWith(name + ":") ? parseInt(stack.slice(name.length + 1), 10) : undefined;
      return { line, text: line === undefined ? `${error.name}: ${error.message}` : stack.split(/\n\s+at /)[0] };
    }
  }

  const written = () =>
    order.plain ? order.marked : `${order.mark}((async (${parameter(order.text)}) => {${order.marked}\n}))`;

  function state() {
    const names = Object.getOwnPropertyNames(world).map(name => [name, Object.getOwnPropertyDescriptor(world, name)]);
    return { names: new Map(names), environment: { ...process.env }, listeners: process.listeners("exit") };
  }

  function restore(was) {
    for (const name of Object.getOwnPropertyNames(world)) {
      if (was.names.has(name)) continue;
      // What was declared with `var` cannot be taken away; its value can.
      try { if (!delete world[name]) world[name] = undefined; } catch { /* nor that */ }
    }
    for (const [name, old] of was.names) {
      const now = Object.getOwnPropertyDescriptor(world, name);
      if (now && now.get === old.get && now.value === old.value) continue;
      try { Object.defineProperty(world, name, old); } catch { /* it cannot be put back */ }
    }
    for (const name of Object.keys(process.env)) if (!(name in was.environment)) delete process.env[name];
    Object.assign(process.env, was.environment);
    process.chdir(here);
    process.exitCode = undefined;
    world.db = home;
  }

  async function run() {
    const was = state();
    let failure, body;
    trouble = [];
    try {
      Object.assign(process.env, order.environment);
      // mongosh sets them to the file that it loads.
      for (const [name, value] of [["__filename", order.source], ["__dirname", path.dirname(order.source)]]) {
        Object.defineProperty(world, name, { get: () => value, set: () => {}, configurable: true, enumerable: true });
      }
      world[order.mark] = found => { body = found; };
      await shell.load(order.file);
      if (!order.plain) await body(home);
      // Promises that nobody waited for and that have failed by now.
      await new Promise(done => setImmediate(done));
      if (trouble.length) throw trouble[0];
    } catch (error) {
      failure = words(error);
    }
    restore(was);
    return failure;
  }

  const unheard = error => { if (trouble) trouble.push(error); };
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", unheard);

  const orders = lines();
  const config = JSON.parse((await orders.next()).value);
  mark = config.mark;
  order = { file: "", path: "", mark: "" };
  if (parseInt(shell.version(), 10) < 2) {
    return answer("fault", { old: shell.version() });
  }
  try {
    home = (await shell.connect(config.url)).getSiblingDB(config.database);
    world.db = home;
  } catch (error) {
    return answer("fault", { text: `${error.name}: ${error.message}` });
  }
  await answer("ready");
  for await (const line of orders) {
    const said = JSON.parse(line);
    if (said.do === "load") {
      order = said;
      rewritten.clear();
      const wrong = check(order.text);
      order.plain = !wrong && isPlain(order.text);
      if (!wrong) fs.writeFileSync(order.file, written(), { mode: 0o600 });
      await answer(wrong ? "broken" : "loaded", wrong);
    } else {
      const failure = await run();
      await answer(failure ? "failed" : "done", failure);
    }
  }
  // Nothing is left to do; mongosh's own way out takes a while.
  process.exit(0);
};

// The lines of standard input. mongosh has made it a stream that must not be read from beside it.
async function* lines() {
  let rest = [];
  for await (let chunk of process.stdin) {
    for (let end; (end = chunk.indexOf(10)) >= 0; chunk = chunk.subarray(end + 1)) {
      yield Buffer.concat([...rest, chunk.subarray(0, end)]).toString("utf8");
      rest = [];
    }
    rest.push(chunk);
  }
}
