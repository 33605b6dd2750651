// Runs the tests of the core in this process, for machines, such as an emulator, that have no .NET SDK to run them.
// Arguments: the file that names the tests which cannot work there (a line each: how the name begins, with * for any characters, two
// spaces, the reason), and how the names begin of what is to be run; all without.
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.IO.Enumeration;
using S3dlio.Arm64;
using S3dlio.Tests;
using Xunit.Abstractions;
using Xunit.Sdk;

var assembly = typeof(SkippingFramework).Assembly;
(string Begin, string Reason)[] left =
[
    .. from line in File.ReadLines(args[0])
       where line.Length > 0 && line[0] != '#' && !line.StartsWith("python/", StringComparison.Ordinal)
       let end = line.IndexOf("  ", StringComparison.Ordinal)
       select (line[..end], line[end..].Trim()),
];
using var framework = new SkippingFramework(new Ears(_ => { }));
var found = new List<ITestCase>();
using (var discoverer = framework.GetDiscoverer(new ReflectionAssemblyInfo(assembly)))
using (var discovered = new ManualResetEventSlim())
{
    discoverer.Find(includeSourceInformation: false, new Ears(message =>
    {
        if (message is ITestCaseDiscoveryMessage one)
            found.Add(one.TestCase);
        else if (message is IDiscoveryCompleteMessage)
            discovered.Set();
    }), new Options());
    discovered.Wait();
}

var skipped = new ConcurrentBag<string>();
var unused = left.Select(one => one.Begin).ToHashSet();
var chosen = new List<ITestCase>();
foreach (var test in found)
{
    if (args.Length > 1 && !args[1..].Any(begin => Begins(test.DisplayName, begin)))
        continue;
    var (begin, reason) = left.FirstOrDefault(one => Begins(test.DisplayName, one.Begin));
    if (reason is null)
    {
        chosen.Add(test);
        continue;
    }
    unused.Remove(begin);
    skipped.Add(reason);
}
if (args.Length == 1 && unused.Count > 0)
{
    Console.Error.WriteLine($"{args[0]}: there is no test whose name begins so: {string.Join(", ", unused)}");
    return 2;
}

int passed = 0, failed = 0;
var running = new ConcurrentDictionary<string, long>();
using (var done = new ManualResetEventSlim())
using (var executor = framework.GetExecutor(assembly.GetName()))
using (new Timer(_ => TellSlow(), null, 60_000, 60_000))
{
    executor.RunTests(chosen, new Ears(message =>
    {
        switch (message)
        {
            case ITestStarting one:
                running[one.Test.DisplayName] = Stopwatch.GetTimestamp();
                break;
            case ITestPassed:
                Interlocked.Increment(ref passed);
                break;
            case ITestSkipped one:
                skipped.Add(one.Reason);
                break;
            case ITestFailed one:
                Interlocked.Increment(ref failed);
                Tell($"FAILED {one.Test.DisplayName}", one);
                break;
            case IErrorMessage one:
                Interlocked.Increment(ref failed);
                Tell("FAILED outside of a test", one);
                break;
            case ITestAssemblyFinished:
                done.Set();
                break;
        }
        if (message is ITestFinished { Test.DisplayName: var name })
            running.TryRemove(name, out long _);
    }), new Options());
    done.Wait();
}
foreach (var reason in skipped.CountBy(reason => reason).OrderByDescending(reason => reason.Value))
    Console.WriteLine($"{reason.Value,6} skipped: {reason.Key}");
Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{passed} passed, {failed} failed, {skipped.Count} skipped"));
return failed > 0 || passed == 0 ? 1 : 0;

static bool Begins(string name, string pattern) => FileSystemName.MatchesSimpleExpression(pattern + "*", name, ignoreCase: false);

static void Tell(string what, IFailureInformation why)
{
    string text = string.Join('\n', why.Messages.Zip(why.StackTraces, (message, trace) => $"{message}\n{trace}"));
    Console.WriteLine($"{what}\n    {text.ReplaceLineEndings("\n    ")}");
}

// an emulator is slow and may hang: whoever waits sees how far it is, and what for
void TellSlow()
{
    Console.WriteLine($"{passed} of {chosen.Count} test cases passed");
    foreach (var (name, since) in running.Where(one => Stopwatch.GetElapsedTime(one.Value) > TimeSpan.FromMinutes(1)))
        Console.WriteLine($"running for {Stopwatch.GetElapsedTime(since).TotalSeconds:F0} s: {name}");
}

namespace S3dlio.Arm64
{
    sealed class Ears(Action<IMessageSinkMessage> hear) : IMessageSink
    {
        public bool OnMessage(IMessageSinkMessage message)
        {
            hear(message);
            return true;
        }
    }

    /// <summary>xunit's settings, all of them left to xunit.</summary>
    sealed class Options : ITestFrameworkDiscoveryOptions, ITestFrameworkExecutionOptions
    {
        readonly Dictionary<string, object?> _values = [];

        public T GetValue<T>(string name) => _values.TryGetValue(name, out object? value) && value is T found ? found : default!;

        public void SetValue<T>(string name, T value) => _values[name] = value;
    }
}
