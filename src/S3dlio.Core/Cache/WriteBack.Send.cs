using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>The sender: a thread that lives while something waits.</summary>
sealed partial class WriteBack
{
    /// <summary>Writes on their way at once, and their bytes.</summary>
    const int MostSending = 8;
    const long MostSendingBytes = 128 << 20;

    /// <summary>Milliseconds between looks for journals of processes that died, and for what other processes do.</summary>
    const long AdoptEvery = 1000;
    const int Look = 1000, LookForOthers = 20;

    const int FirstPause = 200, LongestPause = 60_000, EndedBeforeTruncation = 256;

    /// <summary>A log that is so many segments longer than what it holds of use is written anew.</summary>
    const long LeastRewritten = 8;

    const int StackLength = 1 << 20;

    /// <summary>
    /// Milliseconds: writes that begin while nothing waits have the processors and the device to themselves until they pause for the first
    /// of these, for the second at most, or until there is work for a while. What is sent beside them takes more time than they do.
    /// </summary>
    const int Lull = 10, LongestBurst = 200;
    const long MostHeldBytes = 8 << 20;

    readonly SemaphoreSlim _wake = new(0), _hurry = new(0);
    readonly List<Task> _sending = [];
    long _sendingBytes;
    int _sendingCount;
    bool _isRunning, _isHeld, _mayRun;

    /// <summary>Ends what the read cache knows of an object, by the innermost store's key.</summary>
    public Action<string>? Forget { get; set; }

    /// <summary>Gets what was sent, by the innermost store's key, before its write ends.</summary>
    public Action<string, ObjectMeta, ReadOnlyMemory<byte>>? Keep { get; set; }

    /// <summary>Milliseconds before the second attempt; tests have no time.</summary>
    public int FirstRetry { get; set; } = FirstPause;

    /// <summary>From now on this process sends what waits, its own and that of processes that died.</summary>
    public void Start()
    {
        lock (_gate)
        {
            _mayRun = true;
            if (_all.Count == 0)
                return;
        }
        Wake();
    }

    /// <summary>True where this process sends.</summary>
    public bool MaySend => Volatile.Read(ref _mayRun) && !Volatile.Read(ref _isHeld);

    /// <summary>Tests hold it back; what is on its way goes on.</summary>
    internal void Hold(bool isHeld)
    {
        Volatile.Write(ref _isHeld, isHeld);
        Wake();
    }

    void Wake()
    {
        lock (_gate)
        {
            if (!_mayRun)
                return;
            if (!_isRunning)
            {
                _isRunning = true;
                try
                {
                    new Thread(Run, StackLength) { IsBackground = true, Name = "s3dlio write-back" }.UnsafeStart();
                }
                catch (OutOfMemoryException)
                {
                    // no more threads: the next write tries again
                    _isRunning = false;
                    return;
                }
            }
        }
        if (_wake.CurrentCount == 0)
            _wake.Release();
    }

    void Run()
    {
        bool wasEmpty = true;
        while (true)
        {
            int pause = Look;
            try
            {
                if (wasEmpty)
                    AwaitLull();
                pause = Tend();
            }
            catch (Exception error) when (error is not OutOfMemoryException)
            {
                // on a thread of its own it would end the process; the next round is a second away
                Counters.JournalFailures++;
                Events.Tell(EventLevel.Warning, $"{_root}: a round of the sender failed: {error.Message}");
            }
            lock (_gate)
                wasEmpty = _all.Count == 0 && _sendingCount == 0;
            while (wasEmpty && _hurry.Wait(0))
            {
                // of those who have what they waited for
            }
            if (_wake.Wait(pause))
                continue;
            lock (_gate)
            {
                _sending.RemoveAll(static one => one.IsCompleted);
                if (_all.Count > 0 || _sending.Count > 0 || _wake.CurrentCount > 0 || _journals.Values.Any(IsUnsettled))
                    continue;
                Rest();
                _isRunning = false;
                return;
            }
        }
    }

    /// <summary>Lets a burst of writes pass, unless somebody waits for what it is to send.</summary>
    void AwaitLull()
    {
        long began = Environment.TickCount64, seen = -1;
        while (Environment.TickCount64 - began < LongestBurst)
        {
            long accepted, bytes;
            int count;
            lock (_gate)
                (accepted, bytes, count) = (Counters.Accepted, _waitingBytes, _all.Count);
            if (count == 0 || accepted == seen || bytes >= MostHeldBytes)
                break;
            seen = accepted;
            if (_hurry.Wait(Lull))
                break;
        }
    }

    /// <summary>Somebody waits for what is to be sent.</summary>
    void Hurry()
    {
        if (_hurry.CurrentCount == 0)
            _hurry.Release();
        Wake();
    }

    /// <summary>One round: looks at others, begins what may go, makes durable what ended.</summary>
    /// <returns>Milliseconds until there may be more to do.</returns>
    internal int Tend()
    {
        var begun = new List<PendingWrite>();
        int pause;
        lock (_gate)
        {
            Refresh();
            AdoptDead();
            RecordLate();
            if (_own is { HasFailed: true })
                Reopen();
            pause = Volatile.Read(ref _isHeld) ? Look : Choose(begun);
        }
        // before the next write of an object goes it is durable that the last one went: after a crash the last one would be sent again
        Settle();
        foreach (var write in begun)
        {
            var task = BlockingThread.Run(() => SendAsync(write));
            lock (_gate)
            {
                _sending.RemoveAll(static one => one.IsCompleted);
                _sending.Add(task);
            }
        }
        return pause;
    }

    /// <summary>Takes what may go now; under the gate.</summary>
    int Choose(List<PendingWrite> begun)
    {
        long now = Environment.TickCount64;
        int pause = Look;
        var superseded = new List<PendingWrite>();
        foreach (var write in _all.Values)
        {
            if (_sendingCount >= MostSending || _sendingBytes >= MostSendingBytes)
                break;
            if (!write.Journal.IsOurs)
            {
                pause = Math.Min(pause, _byKey[write.Record.Key].Length > 1 ? LookForOthers : Look);
                continue;
            }
            if (!write.IsFlushed || write.IsSending)
                continue;
            var writes = _byKey[write.Record.Key];
            int at = Array.IndexOf(writes, write);
            if (at + 1 < writes.Length && IsSuperseded(write, writes, at))
            {
                superseded.Add(write);
                continue;
            }
            if (write.Parked is not null || at > 0)
                continue;
            if (write.NotBefore > now)
            {
                pause = (int)Math.Min(pause, write.NotBefore - now + 1);
                continue;
            }
            if (write.Record.IsBarrier && !IsReady(write))
            {
                pause = Math.Min(pause, LookForOthers * 5);
                continue;
            }
            write.IsSending = true;
            _sendingCount++;
            _sendingBytes += write.Record.Size;
            begun.Add(write);
        }
        foreach (var write in superseded)
            End(write, null, isSuperseded: true);
        Counters.Superseded += superseded.Count;
        return superseded.Count > 0 ? 0 : pause;
    }

    /// <summary>A later write takes its place, unless a barrier between them stands for this one.</summary>
    bool IsSuperseded(PendingWrite write, PendingWrite[] writes, int at)
    {
        for (int i = at + 1; i < writes.Length; i++)
        {
            if (writes[i].IsFlushed)
                return !AnyBetween(_barriers, write.Stamp, writes[i].Stamp);
        }
        return false;
    }

    /// <summary>Whether a stamp lies between two others. Those of two processes in one microsecond differ by as little as one.</summary>
    internal static bool AnyBetween(SortedSet<long> stamps, long after, long before) =>
        stamps.Count > 0 && before - after > 1 && stamps.GetViewBetween(after + 1, before - 1).Count > 0;

    /// <summary>
    /// A barrier goes when all earlier writes of its journal are at the store, and those of other journals that lie in its directory.
    /// </summary>
    bool IsReady(PendingWrite barrier)
    {
        string directory = barrier.Record.Key[..(barrier.Record.Key.LastIndexOf('/') + 1)];
        foreach (var earlier in _all.Values)
        {
            if (earlier.Stamp >= barrier.Stamp)
                return true;
            if (earlier.Journal == barrier.Journal || earlier.Record.Key.StartsWith(directory, StringComparison.Ordinal))
                return false;
        }
        return true;
    }

    /// <summary>What is on its way; tests wait for it.</summary>
    internal Task[] Sending()
    {
        lock (_gate)
            return [.. _sending];
    }
}
