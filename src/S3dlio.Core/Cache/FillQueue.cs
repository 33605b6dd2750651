using System.Buffers;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>
/// What was fetched of a store and is to be kept: copied, so that the caller has it without waiting for the file system, and written by one
/// thread of the process. Its blocks count as being fetched until they are there, so nobody fetches them a second time.
/// </summary>
sealed class FillQueue
{
    /// <summary>Bytes that wait at most. Where there are more, whoever fetched them writes them.</summary>
    const long MostBytes = 64 << 20;

    /// <summary>From so many bytes on the copy lies in blocks of native memory.</summary>
    const int LeastBlocks = 1 << 20;

    /// <summary>Milliseconds that the thread waits for more.</summary>
    const int Linger = 1000;

    const int StackLength = 1 << 20;

    readonly object _gate = new();
    readonly Queue<(Action Work, long Bytes)> _waiting = new();
    long _bytes, _added, _done;
    bool _isRunning;

    /// <summary>That of this process.</summary>
    public static FillQueue Shared { get; } = new();

    /// <summary>Copies ranges that lie side by side, where there is room for it.</summary>
    /// <returns>The copy, which <see cref="Add"/> takes; null where the caller has to write them.</returns>
    public Copy? TryCopy(IReadOnlyList<ReadRange> parts)
    {
        long length = parts[^1].End - parts[0].Offset;
        lock (_gate)
        {
            if (_bytes > 0 && _bytes + length > MostBytes)
                return null;
            _bytes += length;
        }
        return new Copy(parts, length);
    }

    /// <summary>Has work done with a copy, after all that was added before.</summary>
    /// <param name="copy">Goes back to its pool when the work has ended.</param>
    /// <param name="work">Keeps it; throws nothing.</param>
    /// <param name="end">Whatever comes of it.</param>
    public void Add(Copy copy, Action work, Action end)
    {
        lock (_gate)
        {
            _added++;
            _waiting.Enqueue((() => Do(copy, work, end), copy.Length));
            Monitor.PulseAll(_gate);
            if (_isRunning)
                return;
            _isRunning = true;
        }
        try
        {
            new Thread(Run, StackLength) { IsBackground = true, Name = "s3dlio cache" }.UnsafeStart();
        }
        catch (OutOfMemoryException)
        {
            // no more threads: then here
            Run();
        }
    }

    /// <summary>Waits until all that was added before is written.</summary>
    /// <returns>False where the time was over.</returns>
    public bool Drain(TimeSpan? most = null)
    {
        long until = most is { } time ? Environment.TickCount64 + (long)time.TotalMilliseconds : long.MaxValue;
        lock (_gate)
        {
            for (long wanted = _added; _done < wanted;)
            {
                long left = until - Environment.TickCount64;
                if (left <= 0)
                    return false;
                Monitor.Wait(_gate, (int)Math.Min(left, Linger));
            }
        }
        return true;
    }

    void Run()
    {
        while (true)
        {
            (Action Work, long Bytes) next;
            lock (_gate)
            {
                while (!_waiting.TryDequeue(out next))
                {
                    if (!Monitor.Wait(_gate, Linger) && _waiting.Count == 0)
                    {
                        _isRunning = false;
                        return;
                    }
                }
            }
            next.Work();
            lock (_gate)
            {
                _bytes -= next.Bytes;
                _done++;
                Monitor.PulseAll(_gate);
            }
        }
    }

    static void Do(Copy copy, Action work, Action end)
    {
        try
        {
            // the threads that wait for the network go first. Not for longer: a thread of the pool that is made meanwhile would stay behind
            using (BatchPriority.Enter(true))
                work();
        }
        catch (Exception error) when (error is not OutOfMemoryException)
        {
            Events.Tell(EventLevel.Warning, $"what was read is not kept in the cache: {error.Message}");
        }
        end();
        copy.Return();
    }

    /// <summary>Bytes in memory of the queue's own.</summary>
    internal sealed class Copy
    {
        readonly List<AlignedBuffer> _blocks = [];
        readonly byte[]? _rented;

        public Copy(IReadOnlyList<ReadRange> parts, long length)
        {
            Length = length;
            if (length < LeastBlocks)
                _rented = ArrayPool<byte>.Shared.Rent((int)length);
            long at = parts[0].Offset;
            foreach (var part in parts)
            {
                for (Memory<byte> left = part.Target; left.Length > 0;)
                {
                    int past = (int)((at - parts[0].Offset) % AlignedBuffer.BlockLength);
                    if (_rented is null && past == 0)
                        _blocks.Add(AlignedBuffer.Rent());
                    var target = (_rented ?? _blocks[^1].Memory)[past..];
                    int count = Math.Min(target.Length, left.Length);
                    left[..count].CopyTo(target);
                    Parts.Add(new ReadRange(at, target[..count]));
                    at += count;
                    left = left[count..];
                }
            }
        }

        public long Length { get; }

        public List<ReadRange> Parts { get; } = [];

        public void Return()
        {
            if (_rented is not null)
                ArrayPool<byte>.Shared.Return(_rented);
            _blocks.ForEach(static block => block.Return());
        }
    }
}
