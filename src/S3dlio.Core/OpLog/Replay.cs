using System.Buffers;
using System.Diagnostics;
using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>How a log is done again.</summary>
public sealed record ReplayOptions
{
    /// <summary>1: as fast as it was; 0.5: half as fast; <see cref="double.PositiveInfinity"/>: as fast as it goes.</summary>
    public double Speed { get; init; } = 1;

    /// <summary>Operations under way at once; what comes beyond waits, and is told as lag.</summary>
    public int Concurrency { get; init; } = 256;

    /// <summary>Rows that may be out of the order of their start.</summary>
    public int Window { get; init; } = 10_000;

    /// <summary>Only these operations; null for all.</summary>
    public IReadOnlySet<string>? Ops { get; init; }

    /// <summary>How well the data of PUTs can be compressed: see <see cref="SyntheticData"/>.</summary>
    public double Compress { get; init; } = 1;

    /// <summary>Make the objects that are read, where they are not there or too small, before anything is timed.</summary>
    public bool Prepare { get; init; }
}

/// <summary>What came of it.</summary>
public sealed class ReplayReport
{
    public long Operations { get; internal set; }

    public long Errors { get; internal set; }

    /// <summary>Rows without a place to go to, or of a kind that cannot be done again.</summary>
    public long Skipped { get; internal set; }

    public long Bytes { get; internal set; }

    /// <summary>From the first row's start to the last row's end, as it was and divided by the speed.</summary>
    public TimeSpan Planned { get; internal set; }

    public TimeSpan Took { get; internal set; }

    /// <summary>Nanoseconds that operations began later than they were due.</summary>
    public LatencyHistogram Lag { get; } = new();

    /// <summary>Nanoseconds that operations took, by kind.</summary>
    public SortedDictionary<string, LatencyHistogram> Latency { get; } = new(StringComparer.Ordinal);

    /// <summary>The first failures, as the store told them.</summary>
    public List<string> Messages { get; } = [];
}

/// <summary>Does the operations of a log again, at their times, against other stores. Memory does not grow with the log.</summary>
public sealed class Replay(RemapRules rules, Func<string, (ObjectStore Store, string Key)> open, ReplayOptions options)
{
    const int WindowLength = 1 << 20, MostMessages = 10;

    readonly ReplayReport _report = new();
    readonly Lock _gate = new();

    /// <summary>The rows in the order of their start, as far as the window makes it so, with where they go.</summary>
    public IEnumerable<(OpRecord Record, string Address)> Plan(OpLogReader log)
    {
        foreach (var record in Sorted(log))
        {
            if (options.Ops is { } wanted && !wanted.Contains(record.Op))
                continue;
            if (record.Op is OpName.Get or OpName.Put or OpName.Stat or OpName.List or OpName.Delete && rules.Map(record) is { } address
                && (record.Op != OpName.Delete || record.Objects <= 1))
                yield return (record, address);
            else
                _report.Skipped++;
        }
    }

    public async Task<ReplayReport> RunAsync(Func<OpLogReader> read, CancellationToken cancel)
    {
        if (options.Prepare)
        {
            using var first = read();
            await PrepareAsync(first, cancel).ConfigureAwait(false);
            _report.Skipped = 0;
        }
        using var log = read();
        using var places = new SemaphoreSlim(options.Concurrency);
        var clock = Stopwatch.StartNew();
        long? origin = null;
        long lastEnd = 0;
        foreach (var (record, address) in Plan(log))
        {
            origin ??= record.Start;
            lastEnd = Math.Max(lastEnd, record.End);
            long due = double.IsPositiveInfinity(options.Speed) ? 0 : (long)((record.Start - origin.Value) / options.Speed);
            await WaitAsync(clock, due, cancel).ConfigureAwait(false);
            await places.WaitAsync(cancel).ConfigureAwait(false);
            long now = (long)clock.Elapsed.TotalNanoseconds;
            _report.Lag.Add(double.IsPositiveInfinity(options.Speed) ? 0 : now - due);
            _ = Task.Run(
                async () =>
                {
                    await DoAsync(record, address, cancel).ConfigureAwait(false);
                    places.Release();
                },
                CancellationToken.None);
        }
        for (int i = 0; i < options.Concurrency; i++)
            await places.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        cancel.ThrowIfCancellationRequested();
        _report.Took = clock.Elapsed;
        _report.Planned = origin is { } from && !double.IsPositiveInfinity(options.Speed)
            ? TimeSpan.FromTicks((long)((lastEnd - from) / 100 / options.Speed)) : TimeSpan.Zero;
        return _report;
    }

    IEnumerable<OpRecord> Sorted(OpLogReader log)
    {
        var waiting = new PriorityQueue<OpRecord, (long, long)>();
        long number = 0;
        while (log.Read(out var record))
        {
            waiting.Enqueue(record, (record.Start, number++));
            if (waiting.Count > options.Window)
                yield return waiting.Dequeue();
        }
        while (waiting.TryDequeue(out var record, out _))
            yield return record;
    }

    /// <summary>The timer's grain is a millisecond; the rest is waited for by giving the core away.</summary>
    static async ValueTask WaitAsync(Stopwatch clock, long due, CancellationToken cancel)
    {
        while (true)
        {
            long left = due - (long)clock.Elapsed.TotalNanoseconds;
            if (left <= 0)
                return;
            if (left > 2_000_000)
                await Task.Delay(TimeSpan.FromTicks((left - 1_000_000) / 100), cancel).ConfigureAwait(false);
            else
                Thread.Yield();
        }
    }

    async Task DoAsync(OpRecord record, string address, CancellationToken cancel)
    {
        long begun = Stopwatch.GetTimestamp();
        string? failure = null;
        long bytes = 0;
        try
        {
            var (store, key) = open(address);
            bytes = await DoAsync(record, store, key, cancel).ConfigureAwait(false);
        }
        catch (StoreException error)
        {
            failure = error.Message;
        }
        catch (OperationCanceledException)
        {
            failure = "cancelled";
        }
        catch (Exception error)
        {
            failure = $"{address}: internal error, please report it: {error.GetType().Name}: {error.Message}";
        }
        long took = (long)Stopwatch.GetElapsedTime(begun).TotalNanoseconds;
        lock (_gate)
        {
            _report.Operations++;
            _report.Bytes += bytes;
            if (!_report.Latency.TryGetValue(record.Op, out var latency))
                _report.Latency[record.Op] = latency = new LatencyHistogram();
            latency.Add(took);
            if (failure is null)
                return;
            _report.Errors++;
            if (_report.Messages.Count < MostMessages)
                _report.Messages.Add(failure);
        }
    }

    async ValueTask<long> DoAsync(OpRecord record, ObjectStore store, string key, CancellationToken cancel)
    {
        switch (record.Op)
        {
            case OpName.Get:
                return await GetAsync(record, store, key, cancel).ConfigureAwait(false);
            case OpName.Put:
                return await PutAsync(store, key, record.Bytes, (ulong)record.Start, cancel).ConfigureAwait(false);
            case OpName.Stat:
                await store.HeadAsync(key, cancel).ConfigureAwait(false);
                return 0;
            case OpName.List:
                await foreach (var page in store.ListAsync(key, ListOptions.Default, cancel).ConfigureAwait(false))
                    _ = page;
                return 0;
            default:
                foreach (var failed in await store.DeleteAsync([key], cancel).ConfigureAwait(false))
                    throw failed.Error;
                return 0;
        }
    }

    static async ValueTask<long> GetAsync(OpRecord record, ObjectStore store, string key, CancellationToken cancel)
    {
        long begin = record.Offset ?? 0;
        var options = new ReadOptions { FirstOffset = begin, FirstLength = record.Bytes == 0 ? null : record.Bytes };
        var reader = await store.OpenReadAsync(key, options, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            long end = Math.Min(reader.Meta.Size, begin + record.Bytes);
            if (end < begin + record.Bytes)
                throw new StoreException(ErrorKind.InvalidData, store.Root.Child(key),
                    $"bytes {begin}..{begin + record.Bytes} were read when the log was written, the object has {reader.Meta.Size}; "
                    + $"--prepare makes objects that suffice");
            byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Clamp(end - begin, 1, WindowLength));
            try
            {
                for (long at = begin; at < end;)
                {
                    var window = buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - at));
                    await reader.ReadAsync(at, window, cancel).ConfigureAwait(false);
                    at += window.Length;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
            return end - begin;
        }
    }

    async ValueTask<long> PutAsync(ObjectStore store, string key, long length, ulong seed, CancellationToken cancel)
    {
        var data = new SyntheticData(seed, options.Compress);
        if (length <= WindowLength)
        {
            byte[] small = ArrayPool<byte>.Shared.Rent((int)Math.Max(1, length));
            try
            {
                data.Fill(small.AsSpan(0, (int)length));
                await store.PutAsync(key, new Payload(small.AsMemory(0, (int)length)), PutOptions.Default, null, cancel)
                    .ConfigureAwait(false);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(small);
            }
            return length;
        }
        var writer = await store.OpenWriteAsync(key, PutOptions.Default, cancel).ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(WindowLength);
            try
            {
                for (long at = 0; at < length;)
                {
                    var window = buffer.AsMemory(0, (int)Math.Min(WindowLength, length - at));
                    data.Fill(window.Span);
                    await writer.WriteAsync(window, cancel).ConfigureAwait(false);
                    at += window.Length;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
            await writer.CompleteAsync(cancel).ConfigureAwait(false);
        }
        return length;
    }

    /// <summary>Nothing is remembered of what was made: an object that is read twice is looked at twice.</summary>
    async Task PrepareAsync(OpLogReader log, CancellationToken cancel)
    {
        foreach (var (record, address) in Plan(log))
        {
            if (record.Op is not (OpName.Get or OpName.Stat) || record.Error.Length > 0)
                continue;
            var (store, key) = open(address);
            long needed = (record.Offset ?? 0) + record.Bytes;
            try
            {
                if ((await store.HeadAsync(key, cancel).ConfigureAwait(false)).Size >= needed)
                    continue;
            }
            catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
            {
                // it is made
            }
            await PutAsync(store, key, needed, (ulong)record.Start, cancel).ConfigureAwait(false);
        }
    }
}
