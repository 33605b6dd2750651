using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Frames that were decoded and are wanted in part, for several readers at once: each is decoded once, however many wait for it, and memory
/// is that of a few frames.
/// </summary>
/// <param name="capacity">Frames that are kept.</param>
/// <param name="tally">Counts frames that were there.</param>
sealed class FrameCache(int capacity, Tally? tally = null)
{
    readonly Lock _gate = new();

    /// <summary>The one used last is the last.</summary>
    readonly List<Entry> _entries = new(capacity);

    /// <summary>Copies a part of a frame; decodes the frame first where it is not cached.</summary>
    /// <param name="frame">Its index.</param>
    /// <param name="length">Its raw bytes.</param>
    /// <param name="start">First byte of the part in the frame.</param>
    /// <param name="target">Memory for the part.</param>
    /// <param name="decode">Fills the memory it gets with the whole frame.</param>
    public async ValueTask CopyAsync(
        int frame, int length, int start, Memory<byte> target, Func<Memory<byte>, CancellationToken, ValueTask> decode,
        CancellationToken cancel)
    {
        while (true)
        {
            var entry = Take(frame, out bool isOurs);
            try
            {
                if (isOurs)
                {
                    if (entry.Memory.Length < length)
                        entry.Memory = GC.AllocateUninitializedArray<byte>(length);
                    await decode(entry.Memory.AsMemory(0, length), cancel).ConfigureAwait(false);
                    entry.Ready.SetResult(true);
                }
                else if (!await entry.Ready.Task.WaitAsync(cancel).ConfigureAwait(false))
                {
                    // the decoding failed or was cancelled: try it here
                    continue;
                }
                entry.Memory.AsSpan(start, target.Length).CopyTo(target.Span);
                if (!isOurs)
                    tally?.Hit();
                return;
            }
            catch when (isOurs && Drop(entry))
            {
                throw;
            }
            finally
            {
                lock (_gate)
                    entry.Users--;
            }
        }
    }

    /// <summary>The whole frame, where it is there already.</summary>
    public bool TryCopy(int frame, Span<byte> target)
    {
        Entry? found;
        lock (_gate)
        {
            found = _entries.Find(entry => entry.Frame == frame && entry.Ready.Task.IsCompleted);
            if (found is null)
                return false;
            found.Users++;
        }
        found.Memory.AsSpan(0, target.Length).CopyTo(target);
        lock (_gate)
            found.Users--;
        tally?.Hit();
        return true;
    }

    public void Clear()
    {
        lock (_gate)
            _entries.Clear();
    }

    Entry Take(int frame, out bool isOurs)
    {
        lock (_gate)
        {
            int at = _entries.FindIndex(entry => entry.Frame == frame);
            isOurs = at < 0;
            byte[] memory = [];
            // where all are in use the new one comes on top, until one of them is not
            while (isOurs && _entries.Count >= capacity && _entries.FindIndex(entry => entry.Users == 0) is >= 0 and int oldest)
            {
                memory = _entries[oldest].Memory;
                _entries.RemoveAt(oldest);
            }
            var entry = isOurs ? new Entry { Frame = frame, Memory = memory } : _entries[at];
            if (!isOurs)
                _entries.RemoveAt(at);
            _entries.Add(entry);
            entry.Users++;
            return entry;
        }
    }

    bool Drop(Entry entry)
    {
        lock (_gate)
            _entries.Remove(entry);
        entry.Ready.TrySetResult(false);
        return true;
    }

    sealed class Entry
    {
        public required int Frame { get; init; }

        public byte[] Memory { get; set; } = [];

        /// <summary>Those who decode it, wait for it or copy from it.</summary>
        public int Users { get; set; }

        /// <summary>True once its memory holds the frame, false when that failed.</summary>
        public TaskCompletionSource<bool> Ready { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
