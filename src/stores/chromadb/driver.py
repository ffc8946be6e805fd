# Runs the scripts of one run in one interpreter. Orders come as lines of JSON, answers go out as marked lines: between
# them stands whatever the scripts print. The first order says which server; then a `load` and a `run` for each script.
def drive(orders):
    import builtins, json, os, signal, sys, threading, traceback, types, warnings
    import linecache

    # `-c` puts the current folder first, where a stray types.py or json.py would be taken for the library's own.
    here = os.getcwd()
    sys.path[:] = [p for p in sys.path if p not in ("", here)]
    answers = os.dup(1)  # not inherited by children, and still ours when a script closes its own
    silence = os.open(os.devnull, os.O_RDONLY)
    os.dup2(silence, 0)
    os.close(silence)
    pid = os.getpid()
    known = vars(builtins)
    os.register_at_fork(after_in_child=lambda: os.close(answers))
    config = json.loads(orders.readline())
    mark = config.pop("mark")

    def answer(word, **what):
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        data = ("%s %s %s\n" % (mark, word, json.dumps(what))).encode()
        while data:
            data = data[os.write(answers, data) :]

    def words(error, within=None):
        trace = error.__traceback__
        while within and trace and trace.tb_frame.f_code.co_filename != within:
            trace = trace.tb_next
        lines = [entry.tb_lineno for entry in frames(trace) if entry.tb_frame.f_code.co_filename == within]
        line = lines[-1] if lines else None
        if isinstance(error, SyntaxError) and line is None and error.filename == within:
            line = error.lineno
        try:
            text = "".join(traceback.format_exception(type(error), error, trace))
        except Exception as another:
            text = "%s, which cannot be shown: %s" % (type(error).__name__, type(another).__name__)
        return {"line": line, "text": text}

    def frames(trace):
        while trace:
            yield trace
            trace = trace.tb_next

    try:
        import chromadb
    except ModuleNotFoundError as error:
        missing = error.name == "chromadb"
        return answer("fault", missing=missing, python=sys.executable, **words(error))
    except BaseException as error:
        return answer("fault", missing=False, python=sys.executable, **words(error))
    import copy

    try:
        settings = chromadb.Settings(anonymized_telemetry=False)
        pristine = chromadb.HttpClient(
            host=config["host"], ssl=config["host"].startswith("https:"), headers=config["headers"], settings=settings,
            tenant=config["tenant"], database=config["database"])
    except BaseException as error:
        return answer("fault", missing=False, python=sys.executable, **words(error))
    answer("ready", python=sys.executable)

    def state():
        kept = [
            (sys, name, getattr(sys, name, None))
            for name in ("argv", "stdin", "stdout", "stderr", "excepthook", "displayhook", "meta_path", "path_hooks")
        ]
        kept.append((warnings, "showwarning", warnings.showwarning))
        lists = [(thing, list(thing)) for thing in (sys.argv, sys.path, sys.meta_path, sys.path_hooks, warnings.filters)]
        signals = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)}
        return {
            "attributes": kept, "lists": lists, "signals": signals, "environment": dict(os.environ),
            "builtins": dict(known), "modules": set(sys.modules), "main": sys.modules.get("__main__"),
            "path": sys.path, "umask": mask(), "recursion": sys.getrecursionlimit(), "threads": set(threading.enumerate()),
        }

    def mask():
        now = os.umask(0o077)
        os.umask(now)
        return now

    def restore(was, folder):
        # First: everything below needs them.
        known.update(was["builtins"])
        for name in set(known) - set(was["builtins"]):
            del known[name]
        signal.alarm(0)
        for fd in (1, 2):
            os.dup2(answers, fd)
        for owner, name, value in was["attributes"]:
            setattr(owner, name, value)
        for thing, items in was["lists"]:
            thing[:] = items
        sys.path = was["path"]
        for name in ("stdout", "stderr"):
            if getattr(sys, name).closed:
                fd = 1 if name == "stdout" else 2
                setattr(sys, name, open(fd, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False))
        for number, handler in was["signals"].items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        if dict(os.environ) != was["environment"]:
            os.environ.clear()
            os.environ.update(was["environment"])
        sys.modules["__main__"] = was["main"]
        # A module that lies beside the scripts may be another one for the next script, or after a change.
        for name in set(sys.modules) - was["modules"]:
            file = getattr(sys.modules[name], "__file__", None) or ""
            if folder and os.path.dirname(os.path.abspath(file)).startswith(folder):
                del sys.modules[name]
        os.umask(was["umask"])
        sys.setrecursionlimit(was["recursion"])
        os.chdir(here)

    def run(order, code):
        was = state()
        folder = order["folder"]
        module = types.ModuleType("__main__")
        vars(module).update(
            __file__=order["file"], __builtins__=builtins, chromadb=chromadb, client=copy.copy(pristine),
            __loader__=None, __spec__=None)
        sys.modules["__main__"] = module
        sys.argv[:] = [order["file"]]
        if folder:
            sys.path.insert(0, folder)
        sys.path.append(here)
        os.environ.update(order["environment"])
        failure = None
        try:
            exec(code, vars(module))
            for thread in set(threading.enumerate()) - was["threads"]:
                if not thread.daemon:
                    thread.join()
        except BaseException as error:
            failure = words(error, order["path"])
            failure["exit"] = isinstance(error, SystemExit)
            if failure["exit"]:
                failure["code"] = str(error.code)
            error.__traceback__ = None
        if os.getpid() != pid:
            # A child that a script forked and let run on: it is done where its parent's script is.
            if failure and not failure["exit"]:
                sys.stderr.write(failure["text"])
            sys.stdout.flush()
            os._exit(1 if failure else 0)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except Exception:
                pass
        restore(was, folder)
        return failure

    code = order = None
    while True:
        line = orders.readline()
        if not line:
            return
        said = json.loads(line)
        if said["do"] == "load":
            order = said
            text = order.pop("text")
            linecache.cache[order["path"]] = (len(text), None, text.splitlines(True), order["path"])
            try:
                code = compile(text, order["path"], "exec", dont_inherit=True)
            except BaseException as error:
                answer("broken", **words(error, order["path"]))
            else:
                answer("loaded")
        else:
            failure = run(order, code)
            if failure:
                answer("failed", **failure)
            else:
                answer("done")
            code = order = None


drive(orders)
