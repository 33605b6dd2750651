using System.Runtime.InteropServices;

namespace S3dlio.Cli;

/// <summary>Ctrl-C and SIGTERM: the first cancels what is under way, a second one ends the program at once.</summary>
sealed class Interrupt : IDisposable
{
    readonly CancellationTokenSource _stop = new();
    readonly List<PosixSignalRegistration> _registrations = [];
    int _signals;

    public Interrupt()
    {
        foreach (var signal in new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP })
            _registrations.Add(PosixSignalRegistration.Create(signal, Happened));
    }

    public CancellationToken Token => _stop.Token;

    public int ExitCode { get; private set; } = CommandLine.ExitCode.Interrupted;

    void Happened(PosixSignalContext context)
    {
        context.Cancel = true;
        ExitCode = 128 + context.Signal switch { PosixSignal.SIGTERM => 15, PosixSignal.SIGHUP => 1, _ => 2 };
        if (Interlocked.Increment(ref _signals) > 1)
            Environment.Exit(ExitCode);
        _stop.Cancel();
    }

    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
        _stop.Dispose();
    }
}
