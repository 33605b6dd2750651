using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using S3dlio.IO;

namespace S3dlio.Storage;

/// <summary>
/// The vendors' chains of credential providers, which are a verb of the program s3dlio: what they link in would double this
/// library and the time in which it starts, in each forked child again; some start processes, for which .NET takes over the signals of the
/// whole process, which in a library belongs to the host program. The request goes to its standard input and the response comes from its
/// standard output, both a line of JSON; secrets are in no arguments and in no file.
/// </summary>
public static partial class CredentialProgram
{
    /// <summary>The chains' own deadlines are shorter.</summary>
    static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);

    /// <summary>How long it may take to end after its answer, and after it was killed.</summary>
    static readonly TimeSpan Grace = TimeSpan.FromSeconds(5), AfterKill = TimeSpan.FromSeconds(5);

    public const string Name = "s3dlio";

    /// <summary>The program's verb that answers.</summary>
    const string Verb = "credentials";

    /// <summary>Absolute path of the program, where the caller has set one.</summary>
    public static string? Chosen
    {
        get;
        set => field = value is null || System.IO.Path.IsPathRooted(value)
            ? value
            : throw new ArgumentException($"'{value}' is no absolute path", nameof(value));
    }

    /// <summary>Returns the folder of the program otherwise: that of this library.</summary>
    public static Func<string> Folder { get; set; } = () => AppContext.BaseDirectory;

    // of a library that has no folder, never what lies in the current one
    static string Path => Chosen ?? System.IO.Path.Combine("/", Folder(), Name);

    /// <summary>Asks for what the fields describe.</summary>
    /// <exception cref="CredentialException">The chain, or the program, says why there is nothing.</exception>
    internal static async Task<JsonElement> AskAsync(string vendor, params (string Name, string? Value)[] fields)
    {
        byte[] question = [.. JsonText.Object(json =>
        {
            json.WriteString("vendor", vendor);
            foreach (var (name, value) in fields)
            {
                if (value is not null)
                    json.WriteString(name, value);
            }
        }), (byte)'\n'];
        string path = Path;
        // a thread of its own, not one of the pool: it only waits
        byte[] answer = await Task.Factory.StartNew(
            () => Run(path, question, Patience), CancellationToken.None, TaskCreationOptions.LongRunning,
            TaskScheduler.Default).ConfigureAwait(false);
        try
        {
            var found = StrictJson.Parse(answer, maxDepth: 8);
            return found.TryGetProperty("error", out var error) ? throw new CredentialException(error.GetString() ?? "") : found;
        }
        catch (StrictJsonException)
        {
            throw new CredentialException($"{path} ended without an answer");
        }
    }

    /// <summary>
    /// A line out, a line back. The end of a pipe means nothing: a child that this process forks in the wrong moment has its other end too,
    /// for as long as it runs.
    /// </summary>
    internal static byte[] Run(string path, byte[] question, TimeSpan patience)
    {
        using var input = new Pipe();
        using var output = new Pipe();
        int process = Start(path, input.Read, output.Write);
        input.Read.Dispose();
        output.Write.Dispose();
        long begun = Environment.TickCount64;
        int? status = null;
        bool late = false;
        using var answer = new MemoryStream();
        using var reading = new FileStream(output.Read, FileAccess.Read, bufferSize: 0);
        try
        {
            using var writing = new FileStream(input.Write, FileAccess.Write, bufferSize: 0);
            int asked = 0;
            Span<byte> piece = stackalloc byte[Page];
            for (bool complete = false; !complete;)
            {
                bool asks = asked < question.Length;
                // while it does not take the question it may be answering
                int wait = status is not null ? 0 : asks ? LookBetween : Look;
                if (asks && IsReady(input.Write, Writable, 0))
                {
                    // a pipe that is ready takes a page without waiting
                    int count = Math.Min(Page, question.Length - asked);
                    writing.Write(question.AsSpan(asked, count));
                    if ((asked += count) == question.Length)
                        writing.Dispose();
                }
                else if (IsReady(output.Read, Readable, wait))
                {
                    int count = reading.Read(piece);
                    answer.Write(piece[..count]);
                    complete = count == 0 || piece[..count].Contains((byte)'\n');
                }
                else if (status is not null)
                {
                    // all that it wrote before its end has been read
                    break;
                }
                else
                {
                    status = End(process, WithoutWaiting);
                    if (!late && Environment.TickCount64 - begun > patience.TotalMilliseconds)
                        late = Interop.kill(process, Kill) == 0;
                }
            }
        }
        catch (IOException)
        {
            // it has ended; how, is known below
        }
        // it has answered, or closed its output, and may go on all the same; killed, it may sleep where no signal reaches it
        status ??= End(process, WithoutWaiting) ?? EndWithin(process, Grace);
        if (status is null)
        {
            _ = Interop.kill(process, Kill);
            throw new CredentialException(EndWithin(process, AfterKill) is not null
                ? $"{path} had closed its output, or answered, and did not end within {Grace.TotalSeconds} s; it was killed"
                : $"{path} did not end when it was killed; it is process {process}");
        }
        return status is 0 ? answer.ToArray() : throw new CredentialException(late
            ? $"{path} gave no answer within {patience.TotalSeconds} s"
            : $"{path} ended {((status & 0x7f) == 0 ? $"with status {status >> 8}" : $"by signal {status & 0x7f}")}");
    }

    /// <summary>True also when the other end has closed it: then there is an error, or an end, to be read.</summary>
    static bool IsReady(SafeFileHandle pipe, short events, int milliseconds)
    {
        var wait = new Interop.PollFd { Fd = (int)pipe.DangerousGetHandle(), Events = events };
        return Interop.poll(ref wait, 1, milliseconds) > 0;
    }

    /// <summary>The same, at most so long: null when it runs still.</summary>
    static int? EndWithin(int process, TimeSpan most)
    {
        long begun = Environment.TickCount64;
        for (int pause = 1; Environment.TickCount64 - begun < most.TotalMilliseconds; pause = Math.Min(pause * 2, 50))
        {
            Thread.Sleep(pause);
            if (End(process, WithoutWaiting) is { } status)
                return status;
        }
        return null;
    }

    /// <summary>How the program ended; null while it runs.</summary>
    static int? End(int process, int options)
    {
        while (true)
        {
            int found = Interop.waitpid(process, out int status, options);
            if (found == process)
                return status;
            if (found == 0)
                return null;
            // a process that ignores its children's ends, or waits for all of them, leaves nothing to be waited for here
            if (Marshal.GetLastPInvokeError() != Interrupted)
                return 0;
        }
    }

    static int Start(string path, SafeFileHandle input, SafeFileHandle output)
    {
        // opaque structures of the C library, of 80 and 336 bytes on 64-bit Linux
        Span<byte> actions = stackalloc byte[256], attributes = stackalloc byte[512], signals = stackalloc byte[128];
        ref byte files = ref MemoryMarshal.GetReference(actions), how = ref MemoryMarshal.GetReference(attributes),
            set = ref MemoryMarshal.GetReference(signals);
        Must(Interop.posix_spawn_file_actions_init(ref files));
        Must(Interop.posix_spawnattr_init(ref how));
        try
        {
            Must(Interop.posix_spawn_file_actions_adddup2(ref files, (int)input.DangerousGetHandle(), 0));
            Must(Interop.posix_spawn_file_actions_adddup2(ref files, (int)output.DangerousGetHandle(), 1));
            Must(Interop.posix_spawn_file_actions_addopen(ref files, 2, "/dev/null", WriteOnly, 0));
            Must(Interop.posix_spawn_file_actions_addclosefrom_np(ref files, 3));
            // as from a shell, whatever this process ignores or blocks
            signals.Clear();
            Must(Interop.posix_spawnattr_setsigmask(ref how, ref set));
            signals.Fill(0xff);
            Must(Interop.posix_spawnattr_setsigdefault(ref how, ref set));
            Must(Interop.posix_spawnattr_setflags(ref how, SetSignalDefaults | SetSignalMask));
            // the process's own environment; .NET may hold an older copy
            nint environment = Marshal.ReadIntPtr(NativeLibrary.GetExport(NativeLibrary.GetMainProgramHandle(), "environ"));
            int error = Interop.posix_spawn(out int process, path, ref files, ref how, [path, Verb, null], environment);
            return error == 0 ? process : throw new CredentialException(
                $"the program that asks for them, {path}, cannot be started: {Marshal.GetPInvokeErrorMessage(error)}; it belongs beside "
                + "libs3dlio.so: install s3dlio anew");
        }
        finally
        {
            _ = Interop.posix_spawn_file_actions_destroy(ref files);
            _ = Interop.posix_spawnattr_destroy(ref how);
        }
    }

    static void Must(int error)
    {
        if (error != 0)
            throw new CredentialException($"{Path} cannot be started: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    sealed class Pipe : IDisposable
    {
        public Pipe()
        {
            var ends = new int[2];
            if (Interop.pipe2(ends, CloseOnExec) != 0)
                throw new CredentialException($"{CredentialProgram.Path} cannot be started: {Marshal.GetLastPInvokeErrorMessage()}");
            (Read, Write) = (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true));
        }

        public SafeFileHandle Read { get; }

        public SafeFileHandle Write { get; }

        public void Dispose()
        {
            Read.Dispose();
            Write.Dispose();
        }
    }

    /// <summary>Milliseconds between two looks whether it still runs, should it end without a word.</summary>
    const int Look = 100;

    /// <summary>And whether it takes more of the question.</summary>
    const int LookBetween = 10;

    const int WriteOnly = 1, CloseOnExec = 0x80000, Kill = 9, Interrupted = 4, WithoutWaiting = 1;
    const short Readable = 1, Writable = 4;

    /// <summary>What a pipe takes at once.</summary>
    const int Page = 4096;

    const short SetSignalDefaults = 4, SetSignalMask = 8;

}

/// <summary>Why a chain of credential providers gave nothing, in the words of its vendor or of the program.</summary>
sealed class CredentialException(string message) : Exception(message);
