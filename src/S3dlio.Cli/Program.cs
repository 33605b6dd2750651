using Microsoft.Win32.SafeHandles;
using S3dlio.Cache;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Credentials;
using S3dlio.Cli.Original;
using S3dlio.Cli.Output;
using S3dlio.Cli.Verbs;
using S3dlio.IO;
using S3dlio.OpLog;
using S3dlio.Storage;

namespace S3dlio.Cli;

/// <summary>The program <c>s3dlio</c>: every exit code and every line of an error is decided here.</summary>
static class Program
{
    /// <summary>The kernel's EPIPE.</summary>
    const int BrokenPipe = 32;

    static readonly TimeSpan MostSettling = TimeSpan.FromSeconds(3);

    static async Task<int> Main(string[] arguments)
    {
        if (arguments is ["credentials"])
        {
            await Question.AnswerAsync();
            return ExitCode.Good;
        }
        using var terminal = new Terminal(Standard(1), Standard(2), IsTerminal(Console.IsOutputRedirected),
            IsTerminal(Console.IsErrorRedirected));
        using var interrupt = new Interrupt();
        try
        {
            return await RunAsync(Exact(arguments), terminal, interrupt.Token);
        }
        catch (UsageException error)
        {
            terminal.Error(error.Message);
            return ExitCode.Usage;
        }
        catch (StoreException error)
        {
            terminal.Error(error);
            return error.Kind == ErrorKind.ChecksumMismatch ? ExitCode.Differences : ExitCode.Failed;
        }
        catch (OperationCanceledException) when (interrupt.Token.IsCancellationRequested)
        {
            terminal.Progress.Dispose();
            terminal.Error("interrupted: what was finished stays, and nothing half done is left", "Cancelled");
            return interrupt.ExitCode;
        }
        catch (IOException error) when (error.HResult == BrokenPipe)
        {
            // who read has had enough
            terminal.Discard();
            return ExitCode.Good;
        }
        finally
        {
            // what was read is for the next program, too
            CacheSurvey.Settle(MostSettling);
        }
    }

    static async Task<int> RunAsync(string[] arguments, Terminal terminal, CancellationToken cancel)
    {
        var commands = Catalog.Commands;
        if (OriginalProgram.IsMeant(ref arguments))
        {
            commands = OriginalProgram.Commands;
            DotEnv.Load();
        }
        var parsed = new Parser(commands).Parse(arguments);
        terminal.Json = parsed.Has("json");
        terminal.Quiet = parsed.Has("quiet");
        terminal.Verbose = parsed.Has("verbose");
        terminal.Progress.IsWanted = !(terminal.Json || terminal.Quiet || parsed.Has("no-progress"));
        if (parsed.Verb is not { } verb)
        {
            if (arguments.Length > 0 && !parsed.Has("help"))
                throw new UsageException($"the verb is missing; '{commands.Name} --help' lists those there are");
            terminal.Line(Help.Of(commands).TrimEnd());
            return parsed.Has("help") ? ExitCode.Good : ExitCode.Usage;
        }
        if (parsed.Has("help") || verb.Run is null)
        {
            terminal.Line(Help.Of(commands, parsed.Path, verb).TrimEnd());
            return parsed.Has("help") ? ExitCode.Good : ExitCode.Usage;
        }
        parsed.CheckCount();
        var stores = new Stores(parsed);
        string? path = parsed.Given.TryGetValue("op-log", out var values) ? values[^1] : Environment.GetEnvironmentVariable("S3DLIO_OPLOG");
        // those that read logs do not write into one
        if (string.IsNullOrEmpty(path) || verb.Name == "__complete")
            return await verb.Run(new Invocation(parsed, terminal, stores, cancel));
        using var log = new OpLogWriter(path, level: 1, $"{Environment.MachineName}-{Environment.ProcessId}");
        stores.Wrap = store => new RecordedStore(store, log);
        int code = await verb.Run(new Invocation(parsed, terminal, stores, cancel));
        log.Close();
        return code;
    }

    /// <summary>
    /// The console's own streams pass over a broken pipe, and the program would go on for nobody. Those of files write at places of their
    /// own
    /// choice, over what others wrote to the same file.
    /// </summary>
    static Stream Standard(int descriptor)
    {
        var stream = new FileStream(new SafeFileHandle(descriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
        return !stream.CanSeek ? stream : descriptor == 1 ? Console.OpenStandardOutput() : Console.OpenStandardError();
    }

    static bool IsTerminal(bool redirected) => !redirected && Environment.GetEnvironmentVariable("TERM") is not (null or "" or "dumb");

    /// <summary>The arguments with all their bytes: .NET has replaced those that are not UTF-8.</summary>
    static string[] Exact(string[] arguments)
    {
        if (!arguments.Any(static argument => argument.Contains('\uFFFD', StringComparison.Ordinal)))
            return arguments is ["--version"] ? ["version"] : arguments;
        byte[] line = File.ReadAllBytes("/proc/self/cmdline");
        var words = new List<string>();
        foreach (var range in line.AsSpan().TrimEnd((byte)0).Split((byte)0))
            words.Add(PathText.Decode(line.AsSpan(range)));
        return [.. words.TakeLast(arguments.Length)];
    }
}
