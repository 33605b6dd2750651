// Every verb of build.ps1. A verb is a list of steps; a step says in one line what it does and is silent when nothing is to be done.
#:property PublishAot=false

using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Xml.Linq;

Verb[] verbs =
[
    new("demo", "", "set up what is missing and run examples/demo.py",
        _ => Prerequisites.Require(Use.Native | Use.Python), _ => NativeLibrary.Publish(), _ => Venv.Create(),
        _ => Shell.Must(Venv.Python, "examples/demo.py")),
    new("test", "[pytest arguments]", "run the tests of the core, the Python tests and the type check",
        _ => Prerequisites.Require(Use.Native | Use.Python | Use.Tests), _ => Prerequisites.Wish(Use.Servers | Use.Notebook),
        _ => NativeLibrary.Publish(), _ => Venv.Create(), arguments => Servers.Around(() => Tests.Run(arguments))),
    new("bench", "[name]", "run the benchmarks, or the one named",
        _ => Prerequisites.Require(Use.Native | Use.Python), _ => NativeLibrary.Publish(), _ => Venv.Create(),
        arguments => Shell.Must(Venv.Python, ["bench/run.py", .. arguments])),
    new("native", "", "publish the native library into the Python package; installs nothing",
        _ => Prerequisites.Require(Use.Native, install: false), _ => NativeLibrary.Publish()),
    new("lint", "", "compare the form of all sources with dotnet format and ruff; changes nothing", _ => Lint.Run()),
    new("wheel", "[--arch arm64]", "build the one wheel into dist/, for this machine or for Linux on ARM",
        arguments => Wheel.Build(Architecture.Asked(arguments))),
    new("test-arm64", "[core | pytest arguments]", "build for Linux on ARM and run the tests that need no server in an emulator",
        _ => Prerequisites.Require(Use.Native | Use.Arm64 | Use.Emulator), _ => NativeLibrary.Publish(Architecture.Arm64),
        arguments => Shell.Must("tests/arm64.sh", arguments)),
    new("clean", "", "remove what the build made, nothing else", _ => Clean.Run()),
];

Environment.CurrentDirectory = (string)AppContext.GetData("EntryPointFileDirectoryPath")!;
var verb = verbs.FirstOrDefault(v => v.Name == args.FirstOrDefault());
if (verb is null)
{
    var asked = args.Length == 0 || args[0] is "help" or "-h" or "--help";
    if (!asked)
        Console.Error.WriteLine($"build.ps1: unknown verb '{args[0]}'");
    (asked ? Console.Out : Console.Error).WriteLine(
        "usage: ./build.ps1 VERB\n" + string.Join('\n', verbs.Select(v => $"  {v.Name + " " + v.Arguments,-37}{v.Purpose}")));
    return asked ? 0 : 2;
}
Interrupt.Watch();
try
{
    foreach (var step in verb.Steps)
        step(args[1..]);
    return 0;
}
catch (BuildException failure)
{
    if (failure.Message.Length > 0)
        Console.Error.WriteLine($"build.ps1: {failure.Message}");
    return failure.ExitCode;
}

sealed record Verb(string Name, string Arguments, string Purpose, params Action<string[]>[] Steps);

/// <summary>Ends the verb. Without a message, what failed has said so itself.</summary>
sealed class BuildException(string message, int exitCode = 1) : Exception(message)
{
    public int ExitCode => exitCode;
}

[Flags]
enum Use
{
    Native = 1,
    Python = 2,
    Tests = 4,
    Servers = 8,
    Notebook = 16,
    Arm64 = 32,
    Emulator = 64,
}

enum Probe
{
    Program,
    Header,
    Module,
    File,
}

/// <summary>What the library is built for: this machine, or another processor for which there is a compiler here.</summary>
/// <param name="Runtime">.NET's name.</param>
/// <param name="Processor">The kernel's name, which wheels carry.</param>
/// <param name="Folder">Where the build keeps what it makes.</param>
/// <param name="Settings">What the linker's project is told; empty for this machine.</param>
sealed record Architecture(string Runtime, string Processor, string Folder, string[] Settings)
{
    static readonly bool isArm = RuntimeInformation.OSArchitecture.ToString() == "Arm64";

    public static readonly Architecture Own = new(isArm ? "linux-arm64" : "linux-x64", isArm ? "aarch64" : "x86_64", "build", []);

    public static readonly Architecture Arm64 = isArm
        ? Own
        : new("linux-arm64", "aarch64", "build/arm64",
            ["-p:CppCompilerAndLinker=aarch64-linux-gnu-gcc", "-p:ObjCopyName=aarch64-linux-gnu-objcopy"]);

    public bool IsOwn => Settings.Length == 0;

    public static Architecture Asked(string[] arguments) => arguments switch
    {
        [] => Own,
        ["--arch", "arm64"] => Arm64,
        _ => throw new BuildException($"wheel takes --arch arm64 or nothing, found: {string.Join(' ', arguments)}", 2),
    };
}

/// <summary>Something the build finds on the machine, and the Debian package that brings it.</summary>
sealed record Need(Use Use, Probe Probe, string Name, string Package);

static class Prerequisites
{
    static readonly Need[] needs =
    [
        new(Use.Native, Probe.Program, "gcc", "gcc"),
        new(Use.Native, Probe.Header, "stdio.h", "libc6-dev"),
        new(Use.Native, Probe.Header, "zstd.h", "libzstd-dev"),
        new(Use.Python, Probe.Module, "ensurepip", "python3-venv"),
        new(Use.Python, Probe.Module, "numpy", "python3-numpy"),
        new(Use.Python, Probe.Module, "hatchling", "python3-hatchling"),
        new(Use.Tests, Probe.Module, "pytest", "python3-pytest"),
        new(Use.Tests, Probe.Module, "mypy", "mypy"),
        new(Use.Tests, Probe.Module, "jedi", "python3-jedi"),
        new(Use.Tests, Probe.Program, "strace", "strace"),
        new(Use.Tests, Probe.Program, "setfattr", "attr"),
        new(Use.Tests, Probe.Program, "zstd", "zstd"),
        new(Use.Servers, Probe.Program, "curl", "curl"),
        new(Use.Servers, Probe.Program, "openssl", "openssl"),
        new(Use.Servers, Probe.Program, "node", "nodejs"),
        new(Use.Servers, Probe.Program, "npm", "npm"),
        new(Use.Notebook, Probe.Module, "ipykernel", "python3-ipykernel"),
        new(Use.Arm64, Probe.Program, "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        new(Use.Arm64, Probe.File, "/usr/aarch64-linux-gnu/include/stdio.h", "libc6-dev-arm64-cross"),
        // the other processor's, beside the own one's: needs dpkg --add-architecture arm64
        new(Use.Arm64, Probe.File, "/usr/lib/aarch64-linux-gnu/libzstd.a", "libzstd-dev:arm64"),
        new(Use.Emulator, Probe.Program, "qemu-aarch64", "qemu-user"),
        new(Use.Emulator, Probe.Program, "debootstrap", "debootstrap"),
    ];

    public static void Require(Use use, bool install = true)
    {
        if (!OperatingSystem.IsLinux())
            throw new BuildException("s3dlio builds on Linux only; on Windows run it in WSL");
        var missing = Missing(use);
        if (missing.Length == 0)
            return;
        if (install && TryInstall(missing))
            missing = Missing(use);
        if (missing.Length > 0)
            throw new BuildException(Remedy(missing));
    }

    /// <summary>Installs what can be had; what cannot, does not end the verb.</summary>
    public static void Wish(Use use)
    {
        if (Missing(use) is { Length: > 0 } missing)
            TryInstall(missing);
    }

    static Need[] Missing(Use use)
    {
        var asked = needs.Where(n => use.HasFlag(n.Use)).ToArray();
        var modules = asked.Where(n => n.Probe == Probe.Module).Select(n => n.Name).ToArray();
        var missing = asked.Where(n => n.Probe switch
        {
            Probe.Program => !Shell.Exists(n.Name),
            Probe.Header => !File.Exists($"/usr/include/{n.Name}") && !File.Exists($"/usr/local/include/{n.Name}"),
            Probe.File => !File.Exists(n.Name),
            _ => false,
        }).ToList();
        if (modules.Length == 0)
            return [.. missing];
        if (Interpreter.Find(modules) is { } python)
            modules = python.MissingModules;
        else if (Interpreter.IsDefault)
            missing.Add(new(Use.Python, Probe.Program, Interpreter.Command, "python3"));
        else
            throw new BuildException($"S3DLIO_PYTHON={Interpreter.Command} cannot be run");
        missing.AddRange(asked.Where(n => n.Probe == Probe.Module && modules.Contains(n.Name)));
        return [.. missing];
    }

    static bool TryInstall(Need[] missing)
    {
        var packages = DebianPackages(missing);
        if (packages.Length == 0 || !Shell.Exists("apt-get"))
            return false;
        string[] sudo = Environment.IsPrivilegedProcess ? [] : ["sudo", "-n"];
        if (sudo.Length > 0 && (!Shell.Exists("sudo") || Shell.Read("sudo", "-n", "true").ExitCode != 0))
            return false;
        Step.Say($"installing {string.Join(' ', packages)}");
        string[] apt = [.. sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "Dpkg::Use-Pty=0"];
        if (packages.Any(package => package.EndsWith(":arm64", StringComparison.Ordinal)))
            Shell.Read(apt[0], [.. apt[1..^4], "dpkg", "--add-architecture", "arm64"]);
        // a failed update still leaves the lists of an earlier one
        Shell.Read(apt[0], [.. apt[1..], "update"]);
        var (exitCode, output, errors) = Shell.Read(apt[0], [.. apt[1..], "install", "-y", "--no-install-recommends", .. packages]);
        if (exitCode != 0)
            Console.Error.WriteLine(output + errors);
        return exitCode == 0;
    }

    static string Remedy(Need[] missing)
    {
        var lines = new List<string> { $"missing: {string.Join(", ", missing.Select(n => n.Name))}" };
        var packages = DebianPackages(missing);
        if (packages.Length > 0)
        {
            lines.Add(Shell.Exists("apt-get")
                ? $"  sudo apt-get install -y {string.Join(' ', packages)}"
                : $"  install what brings them (Debian's packages: {string.Join(' ', packages)})");
        }
        var modules = missing.Where(n => !packages.Contains(n.Package)).Select(n => n.Name).ToArray();
        if (modules.Length > 0)
            lines.Add($"  install for S3DLIO_PYTHON={Interpreter.Command}: {string.Join(' ', modules)}");
        return string.Join('\n', lines);
    }

    // Debian's Python packages help Debian's interpreter only
    static string[] DebianPackages(Need[] missing) =>
        [.. missing.Where(n => n.Probe != Probe.Module || Interpreter.IsDefault).Select(n => n.Package).Distinct()];
}

/// <summary>The Python that the virtual environment is made from.</summary>
sealed record Interpreter(string Identity, string[] MissingModules)
{
    const string Script = """
        import importlib.util, sys
        print(sys.executable, sys.version.split()[0])
        print(*(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))
        """;

    static string? Chosen => Environment.GetEnvironmentVariable("S3DLIO_PYTHON") is { Length: > 0 } chosen ? chosen : null;

    public static string Command => Chosen ?? "/usr/bin/python3";

    public static bool IsDefault => Chosen is null;

    /// <summary>Null when there is no such interpreter.</summary>
    public static Interpreter? Find(params string[] modules)
    {
        if (!Shell.Exists(Command))
            return null;
        var (exitCode, output, _) = Shell.Read(Command, ["-c", Script, .. modules]);
        var lines = output.Split('\n');
        return exitCode == 0 ? new(lines[0], lines[1].Split(' ', StringSplitOptions.RemoveEmptyEntries)) : null;
    }
}

static class NativeLibrary
{
    // each project, and what it makes
    static readonly (string Project, string Folder, string Made)[] parts =
        [("native", "native", "libs3dlio.so"), ("src/S3dlio.Cli", "cli", "s3dlio")];

    public static void Publish() => Publish(Architecture.Own);

    public static void Publish(Architecture target)
    {
        var (inputs, stamp) = (Digest(), $"{target.Folder}/native.stamp");
        if (Installed(target).All(File.Exists) && File.Exists(stamp) && File.ReadAllText(stamp) == inputs + Outcome(target))
            return;
        Step.Say($"compiling the native library and its program{(target.IsOwn ? "" : $" for {target.Processor}")} (about two minutes)");
        Directory.CreateDirectory($"{target.Folder}/package");
        File.Delete(stamp);
        foreach (var ((project, folder, made), installed) in parts.Zip(Installed(target)))
        {
            Shell.Must("dotnet", ["publish", project, "-r", target.Runtime, "-c", "Release", "-o", $"{target.Folder}/{folder}",
                "--nologo", "-v", "quiet", .. target.Settings]);
            // renamed into place, so that a process which has the old one loaded keeps it whole
            File.Copy($"{target.Folder}/{folder}/{made}", installed + ".new", overwrite: true);
            File.Move(installed + ".new", installed, overwrite: true);
        }
        File.WriteAllText(stamp, inputs + Outcome(target));
    }

    /// <summary>Where they are used: in the package's sources; of another processor they would be in the way there.</summary>
    public static IEnumerable<string> Installed(Architecture target) =>
        parts.Select(part => $"{(target.IsOwn ? "python/s3dlio" : $"{target.Folder}/package")}/{part.Made}");

    static string Outcome(Architecture target) =>
        string.Concat(Installed(target).Select(file => $" {new FileInfo(file).Length} {File.GetLastWriteTimeUtc(file).Ticks}"));

    static string Digest() => Fingerprint.Of(
        Directory.EnumerateDirectories("src").Where(d => !d.EndsWith(".Tests", StringComparison.Ordinal)).Append("native")
            .SelectMany(Sources)
            .Concat(["Directory.Build.props", "Directory.Packages.props", "pyproject.toml", "global.json"]),
        RuntimeInformation.FrameworkDescription);

    static IEnumerable<string> Sources(string folder) => Path.GetFileName(folder) is "bin" or "obj" or "examples" or "include"
        ? []
        : Directory.EnumerateFiles(folder).Concat(Directory.EnumerateDirectories(folder).SelectMany(Sources));
}

static class Venv
{
    const string Folder = "build/venv";
    const string Stamp = "build/venv.stamp";

    public static string Python => Path.GetFullPath($"{Folder}/bin/python");

    public static void Create()
    {
        var identity = Fingerprint.Of(["pyproject.toml", "hatch_build.py"], Interpreter.Find()!.Identity);
        if (File.Exists(Python) && File.Exists(Stamp) && File.ReadAllText(Stamp) == identity)
            return;
        Step.Say("creating the virtual environment build/venv");
        File.Delete(Stamp);
        Shell.Must(Interpreter.Command, "-m", "venv", "--clear", "--system-site-packages", Folder);
        Shell.Must(Python, "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check",
            "--no-build-isolation", "--no-deps", "--editable", ".");
        File.WriteAllText(Stamp, identity);
    }
}

static class Wheel
{
    public static void Build(Architecture target)
    {
        Prerequisites.Require(Use.Native | Use.Python | (target.IsOwn ? 0 : Use.Arm64));
        NativeLibrary.Publish(target);
        // hatch_build.py takes what was built for that processor
        Environment.SetEnvironmentVariable("S3DLIO_WHEEL_PROCESSOR", target.IsOwn ? null : target.Processor);
        Step.Say($"building the wheel into dist/{(target.IsOwn ? "" : $" for {target.Processor}")}");
        if (Directory.Exists("dist"))
            Directory.Delete("dist", recursive: true);
        Shell.Must(Interpreter.Command, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist");
        var built = Directory.GetFiles("dist");
        if (built is not [var wheel] || !wheel.EndsWith(".whl", StringComparison.Ordinal))
            throw new BuildException($"expected one wheel in dist/, found {built.Length} files: {string.Join(' ', built)}");
    }
}

static class Tests
{
    const string Reports = "build/test-results";

    sealed record Suite(string Name, string Program, string[] Arguments, string? Report = null);

    sealed record Tally(int Passed, int Failed, string[] SkipReasons)
    {
        public int Skipped => SkipReasons.Length;
    }

    public static void Run(string[] arguments)
    {
        Suite[] suites =
        [
            new("core (.NET)", "dotnet",
                ["test", "src/S3dlio.Core.Tests", "-c", "Release", "--nologo", "-v", "quiet",
                    "--results-directory", Reports, "--logger", "trx;LogFileName=core.trx", "--logger", "console;verbosity=minimal"],
                "core.trx"),
            new("python", Venv.Python, ["-m", "pytest", $"--junitxml={Reports}/python.xml", .. arguments], "python.xml"),
            new("types (mypy)", Venv.Python, ["-m", "mypy", "--strict", "python/s3dlio"]),
        ];
        var results = suites.Select(RunOne).ToArray();

        Console.WriteLine();
        foreach (var result in results)
            Console.WriteLine(result.Line);
        foreach (var reason in results.SelectMany(r => r.Tally.SkipReasons).CountBy(r => r).OrderByDescending(r => r.Value))
            Console.WriteLine($"{reason.Value,6} skipped: {reason.Key}");
        var failed = results.Sum(r => r.Tally.Failed);
        Console.WriteLine($"{results.Sum(r => r.Tally.Passed)} passed, {failed} failed, {results.Sum(r => r.Tally.Skipped)} skipped");
        if (failed > 0)
            throw new BuildException("");
    }

    static (string Line, Tally Tally) RunOne(Suite suite)
    {
        Step.Say($"testing {suite.Name}");
        var report = suite.Report is null ? null : $"{Reports}/{suite.Report}";
        if (report is not null)
            File.Delete(Directory.CreateDirectory(Reports) + "/" + suite.Report);
        var clock = Stopwatch.StartNew();
        var exitCode = Shell.Run(suite.Program, suite.Arguments);
        var tally = report is not null && File.Exists(report) ? Read(XDocument.Load(report).Root!) : new(0, 0, []);
        // a suite that did not build, or ended without a verdict, counts as one failure
        if (exitCode != 0 && tally.Failed == 0)
            tally = tally with { Failed = 1 };
        var counts = report is null ? "" : $"{tally.Passed} passed, {tally.Failed} failed, {tally.Skipped} skipped";
        var outcome = tally.Failed == 0 ? "ok" : "FAILED";
        return ($"{suite.Name,-14}{outcome,-8}{clock.Elapsed.TotalSeconds,7:F1} s   {counts}".TrimEnd(), tally);
    }

    static Tally Read(XElement report)
    {
        if (report.Name.LocalName == "TestRun")
        {
            var counters = report.Descendants().First(e => e.Name.LocalName == "Counters");
            var (total, executed, passed) = (Count(counters, "total"), Count(counters, "executed"), Count(counters, "passed"));
            var reasons = report.Descendants().Where(
                e => e.Name.LocalName == "UnitTestResult" && (string?)e.Attribute("outcome") == "NotExecuted")
                .Select(e => Reason(e.Descendants().FirstOrDefault(d => d.Name.LocalName == "Message")?.Value ?? "")).ToList();
            return new(passed, executed - passed,
                [.. reasons, .. Enumerable.Repeat(Reason(""), Math.Max(0, total - executed - reasons.Count))]);
        }
        var suites = report.Descendants("testsuite").ToArray();
        var failed = suites.Sum(s => Count(s, "failures") + Count(s, "errors"));
        var skipped = report.Descendants("skipped").Select(e => Reason((string?)e.Attribute("message") ?? "")).ToArray();
        return new(suites.Sum(s => Count(s, "tests")) - failed - skipped.Length, failed, skipped);
    }

    static string Reason(string text) => text.Trim() is { Length: > 0 } reason ? reason.ReplaceLineEndings(" ") : "no reason given";

    static int Count(XElement element, string name) => (int)element.Attribute(name)!;
}

/// <summary>White space of C# and all that ruff looks at of Python. C#'s style is an error of every build.</summary>
static class Lint
{
    public static void Run()
    {
        Step.Say("checking the form of C# (dotnet format)");
        Shell.Must("dotnet", "format", "whitespace", ".", "--folder", "--verify-no-changes", "--verbosity", "quiet", "--exclude", "build");
        if (!Shell.Exists("ruff"))
        {
            Console.WriteLine("==> ruff: skipped, it is not installed (Debian has it from 14 on, PyPI for every system)");
            return;
        }
        Step.Say("checking Python (ruff)");
        Shell.Must("ruff", "check", ".");
        Shell.Must("ruff", "format", "--check", ".");
    }
}

/// <summary>The real servers that the tests talk to; tests/servers/servers.sh tells what they are.</summary>
static class Servers
{
    const string Script = "tests/servers/servers.sh";
    const string Folder = "build/servers/run";
    const string Marker = "S3DLIO_TEST_SERVERS";

    /// <summary>Brings the servers up for the tests and takes them down whatever comes of these, unless the caller has them up.</summary>
    public static void Around(Action tests)
    {
        if (Environment.GetEnvironmentVariable(Marker) is { Length: > 0 })
        {
            tests();
            return;
        }
        Step.Say("starting the test servers");
        try
        {
            // told our id, the script also takes them down when this process is killed
            Shell.Must(Script, "up", Folder, $"{Environment.ProcessId}");
            var settings = File.ReadAllLines($"{Folder}/env").Select(line => line.Split('=', 2)).ToArray();
            foreach (var setting in settings)
                Environment.SetEnvironmentVariable(setting[0], setting[1]);
            tests();
        }
        finally
        {
            Down();
        }
    }

    public static void Down() => Shell.Run(Script, "down", Folder);
}

static class Clean
{
    static readonly string[] roots = ["src", "native", "python", "examples", "bench"];
    static readonly string[] caches = [".pytest_cache", ".mypy_cache", ".ruff_cache"];

    public static void Run()
    {
        if (Directory.Exists("build/servers"))
            Servers.Down();
        IEnumerable<string> folders = ["build", "dist", .. caches, .. roots.Where(Directory.Exists).SelectMany(Folders)];
        foreach (var folder in folders.Where(Directory.Exists).ToArray())
            Directory.Delete(folder, recursive: true);
        foreach (string file in NativeLibrary.Installed(Architecture.Own))
            File.Delete(file);
    }

    static IEnumerable<string> Folders(string root) => new DirectoryInfo(root).EnumerateDirectories()
        .Where(d => d.LinkTarget is null)
        .SelectMany(d => d.Name is "bin" or "obj" or "__pycache__" or "TestResults" || caches.Contains(d.Name)
            ? [$"{root}/{d.Name}"]
            : Folders($"{root}/{d.Name}"));
}

static class Step
{
    public static void Say(string what) => Console.WriteLine($"==> {what}");
}

static class Fingerprint
{
    /// <summary>SHA-256 over names and contents, so that a touched but equal file changes nothing.</summary>
    public static string Of(IEnumerable<string> files, string also)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes(also));
        foreach (var file in files.Order(StringComparer.Ordinal))
        {
            var content = File.ReadAllBytes(file);
            hash.AppendData(Encoding.UTF8.GetBytes($"\n{file} {content.Length}\n"));
            hash.AppendData(content);
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }
}

static class Shell
{
    public static bool Exists(string program) => program.Contains('/')
        ? File.Exists(program)
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(folder => File.Exists(Path.Combine(folder, program)));

    public static void Must(string program, params string[] arguments)
    {
        var exitCode = Run(program, arguments);
        if (exitCode != 0)
            throw new BuildException($"failed with exit code {exitCode}: {program} {string.Join(' ', arguments)}", exitCode);
    }

    public static int Run(string program, params string[] arguments) => Wait(new(program, arguments), _ => { });

    public static (int ExitCode, string Output, string Errors) Read(string program, params string[] arguments)
    {
        var output = "";
        var errors = new StringBuilder();
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        var exitCode = Wait(start, process =>
        {
            process.ErrorDataReceived += (_, line) => errors.AppendLine(line.Data);
            process.BeginErrorReadLine();
            output = process.StandardOutput.ReadToEnd();
        });
        return (exitCode, output, errors.ToString());
    }

    static int Wait(ProcessStartInfo start, Action<Process> communicate)
    {
        // a build server left behind would hold the caller's pipes open
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        start.Environment["PIP_ROOT_USER_ACTION"] = "ignore";
        using var process = Process.Start(start)!;
        communicate(process);
        process.WaitForExit();
        Interrupt.HoldIfEnding();
        return process.ExitCode;
    }
}

/// <summary>Ends every process below this one before it ends itself.</summary>
static class Interrupt
{
    static readonly TimeSpan grace = TimeSpan.FromSeconds(5);
    static readonly List<PosixSignalRegistration> registrations = [];
    static int signals;

    public static void Watch() => registrations.AddRange(
        from signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }
        select PosixSignalRegistration.Create(signal, End));

    /// <summary>A child that ended by the same signal must not look like a step that is over.</summary>
    public static void HoldIfEnding()
    {
        if (Volatile.Read(ref signals) > 0)
            Thread.Sleep(Timeout.Infinite);
    }

    static void End(PosixSignalContext context)
    {
        context.Cancel = true;
        var first = Interlocked.Increment(ref signals) == 1;
        var below = Below(Environment.ProcessId);
        // Ctrl-C reached the children too: they may report first. A second one, or a signal to this process alone, does not wait.
        var until = DateTime.UtcNow + (first && context.Signal == PosixSignal.SIGINT ? grace : TimeSpan.Zero);
        while (below.Exists(p => !p.HasExited) && DateTime.UtcNow < until)
            Thread.Sleep(20);
        below.Where(p => !p.HasExited).ToList().ForEach(p => p.Kill());
        Environment.Exit(128 + context.Signal switch { PosixSignal.SIGINT => 2, PosixSignal.SIGTERM => 15, _ => 1 });
    }

    static List<Process> Below(int parent)
    {
        var children = Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), out var id) ? id : 0)
            .Where(id => id > 0 && ParentOf(id) == parent).ToArray();
        return [.. children.SelectMany(id => Find(id) is { } process ? Below(id).Append(process) : Below(id))];
    }

    // one may end while the others are being listed
    static Process? Find(int id)
    {
        try
        {
            return Process.GetProcessById(id);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    static int ParentOf(int id)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{id}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 4)..].Split(' ')[0], null);
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
