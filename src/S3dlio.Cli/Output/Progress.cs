using System.Diagnostics;
using S3dlio.Cli.CommandLine;
using S3dlio.Transfer;

namespace S3dlio.Cli.Output;

/// <summary>
/// The line that shows how far it is: bytes, objects, rate, time left, failures. On a terminal only, five times a second; what else is
/// printed
/// first clears it.
/// </summary>
sealed class Progress(Terminal terminal, bool isTerminal) : ITransferProgress, IDisposable
{
    static readonly TimeSpan Period = TimeSpan.FromMilliseconds(200);

    readonly long _begun = Stopwatch.GetTimestamp();
    Timer? _timer;
    long _bytes, _objects, _totalBytes, _totalObjects, _failures;
    bool _totalIsKnown, _shown;

    /// <summary>False: <c>--no-progress</c>, <c>--quiet</c> or JSON.</summary>
    public bool IsWanted { get; set; } = true;

    public long Bytes => Interlocked.Read(ref _bytes);

    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_begun);

    /// <summary>Shows the line from now on.</summary>
    public void Start()
    {
        if (isTerminal && IsWanted)
            _timer ??= new Timer(_ => Show(), null, Period, Period);
    }

    /// <summary>Work that has been found.</summary>
    public void Expect(long bytes)
    {
        Interlocked.Add(ref _totalBytes, bytes);
        Interlocked.Increment(ref _totalObjects);
    }

    /// <summary>Everything has been found.</summary>
    public void KnowsAll() => _totalIsKnown = true;

    /// <summary>Bytes that went through.</summary>
    public void Report(long value) => Interlocked.Add(ref _bytes, value);

    void ITransferProgress.Begin(long total)
    {
        // the object was counted when it was found
    }

    public void Done() => Interlocked.Increment(ref _objects);

    public void Failed() => Interlocked.Increment(ref _failures);

    public void Clear()
    {
        if (!_shown)
            return;
        _shown = false;
        terminal.Status("\r\x1b[K");
    }

    public void Dispose()
    {
        _timer?.Dispose();
        _timer = null;
        Clear();
    }

    void Show()
    {
        if (_timer is null)
            return;
        double seconds = Elapsed.TotalSeconds;
        long bytes = Bytes;
        double rate = bytes / Math.Max(seconds, 0.001);
        string more = _totalIsKnown ? "" : "+";
        string left = _totalIsKnown && rate > 0 && _totalBytes > bytes
            ? $", {Quantity.Show(TimeSpan.FromSeconds((_totalBytes - bytes) / rate))} left" : "";
        string failed = _failures > 0 ? $", {_failures} failed" : "";
        _shown = true;
        terminal.Status($"\r\x1b[K{Quantity.Show(bytes)}/{Quantity.Show(_totalBytes)}{more}, {_objects}/{_totalObjects}{more} objects, "
            + $"{Quantity.Show(rate)}/s{left}{failed}");
    }
}
