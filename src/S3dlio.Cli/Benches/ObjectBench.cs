using System.Collections.Concurrent;
using System.Globalization;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.OpLog;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Benches;

/// <summary><c>bench objects</c>: a mix of operations on objects of given sizes, by many at once for a time.</summary>
sealed class ObjectBench
{
    const int BatchLength = 1000;

    static readonly string[] Known = [OpName.Get, OpName.Put, OpName.Stat, OpName.List, OpName.Delete];

    readonly Invocation _run;
    readonly Place _place;
    readonly Measurement _measurement;
    readonly long[] _sizes;
    readonly (string Op, int Weight)[] _mix;
    readonly double _compress;
    readonly string _prefix;
    readonly string[] _keys;
    readonly ConcurrentQueue<string> _extra = new();
    long _made;
    bool _isOver;

    ObjectBench(Invocation run)
    {
        _run = run;
        _place = run.Stores.Open(run.Arguments[0], wildcards: false);
        _measurement = new Measurement(run);
        _sizes = [.. (run.Text("size") ?? "1Mi").Split(',').Select(static text => Quantity.Size(text, "--size"))];
        if (_sizes.Max() > Array.MaxLength)
            throw new UsageException($"--size: objects of at most {Array.MaxLength} bytes are made at once");
        _mix = Mix(run.Text("mix") ?? "get=45,put=15,stat=30,delete=10");
        _compress = run.Integer("compress", 1, 1, 1000);
        // of one run: another one at the same place at the same time has its own
        _prefix = $"{_place.Prefix}s3dlio-bench-{Guid.NewGuid():n}/";
        _keys = [.. Enumerable.Range(0, run.Integer("objects", 1000, 1, 10_000_000)).Select(Key)];
    }

    string Key(int number) => $"{_prefix}{number % 1000:000}/{number:0000000}";

    public static async Task<int> RunAsync(Invocation run)
    {
        Measurement.Check(run);
        var bench = new ObjectBench(run);
        try
        {
            return await bench.MeasureAsync();
        }
        finally
        {
            if (!run.Has("keep"))
                await RemoveAsync(run, bench._place, bench._prefix);
        }
    }

    async Task<int> MeasureAsync()
    {
        int most = _place.Store.RequestsAtOnce, jobs = most > 0 ? Math.Min(_run.Jobs, most) : _run.Jobs;
        var duration = Quantity.Duration(_run.Text("duration") ?? "10s", "--duration");
        var warmUp = Quantity.Duration(_run.Text("warm-up") ?? "1s", "--warm-up");
        _run.Terminal.Progress.Start();
        int next = -1;
        await EachAsync(jobs, async (worker, cancel) =>
        {
            var data = Data(worker);
            for (int i = Interlocked.Increment(ref next); i < _keys.Length; i = Interlocked.Increment(ref next))
                await _place.Store.PutAsync(_keys[i], new Payload(data.Next(SizeOf(i))), PutOptions.Default, null, cancel);
        });
        _made = _keys.Length;
        string sizes = string.Join(", ", _sizes.Select(static size => Quantity.Show(size)));
        _run.Terminal.Note(string.Create(CultureInfo.InvariantCulture,
            $"{_keys.Length} objects of {sizes} at {_place}; {jobs} at once, "
            + $"{warmUp.TotalSeconds:0.#} s of warm-up, {duration.TotalSeconds:0.#} s measured"));
        if (warmUp == TimeSpan.Zero)
            _measurement.Begin();
        var measuring = EachAsync(jobs, async (worker, cancel) =>
        {
            var data = Data(worker + jobs);
            var random = new Random(worker);
            while (!Volatile.Read(ref _isOver))
                await DoAsync(Choose(random), random, data, cancel);
        });
        if (warmUp > TimeSpan.Zero)
        {
            await Task.WhenAny(measuring, Task.Delay(warmUp, _run.Cancel));
            _measurement.Begin();
        }
        await Task.WhenAny(measuring, Task.Delay(duration, _run.Cancel));
        _measurement.End();
        Volatile.Write(ref _isOver, true);
        await measuring;
        return _measurement.Tell(
            $"objects {string.Join(",", _mix.Select(static one => $"{one.Op}={one.Weight}"))} at {_place}", _place.Store.Root.IsLocal);
    }

    long SizeOf(long number) => _sizes[number % _sizes.Length];

    Fresh Data(int worker) => new(_sizes.Max(), (ulong)worker + 1, _compress);

    string Choose(Random random)
    {
        int at = random.Next(_mix.Sum(static one => one.Weight));
        foreach (var (op, weight) in _mix)
        {
            if ((at -= weight) < 0)
                return op;
        }
        return _mix[^1].Op;
    }

    async ValueTask DoAsync(string op, Random random, Fresh data, CancellationToken cancel)
    {
        string key = _keys[random.Next(_keys.Length)];
        if (op == OpName.Delete && !_extra.TryDequeue(out key!))
            // what is read stays; there is something to delete as soon as more was written
            (op, key) = (OpName.Put, "");
        if (op == OpName.Put)
        {
            long number = Interlocked.Increment(ref _made) - 1;
            key = $"{_prefix}more/{number % 1000:000}/{number:0000000}";
            var payload = new Payload(data.Next(SizeOf(number)));
            bool isGood = await _measurement.TimeAsync(op, _place.Address(key), async () =>
            {
                await _place.Store.PutAsync(key, payload, PutOptions.Default, _run.Terminal.Progress, cancel);
                return (payload.Length, null);
            });
            if (isGood)
                _extra.Enqueue(key);
            return;
        }
        await _measurement.TimeAsync(op, _place.Address(key), () => op switch
        {
            OpName.Get => GetAsync(key, cancel),
            OpName.Stat => StatAsync(key, cancel),
            OpName.List => ListAsync(random.Next(1000), cancel),
            _ => DeleteAsync(key, cancel),
        });
    }

    async ValueTask<(long, long?)> GetAsync(string key, CancellationToken cancel)
    {
        long first = 0, length = 0;
        byte[]? memory = null;
        LargeMemory Allocate(long size)
        {
            first = OpClock.Now;
            length = size;
            memory = System.Buffers.ArrayPool<byte>.Shared.Rent((int)Math.Max(1, size));
            return LargeMemory.From(memory.AsMemory(0, (int)size));
        }
        try
        {
            await ObjectRead.WholeAsync(_place.Store, key, Decompress.Never, Allocate, new Validation(null), _run.Terminal.Progress,
                cancel);
        }
        finally
        {
            if (memory is not null)
                System.Buffers.ArrayPool<byte>.Shared.Return(memory);
        }
        return (length, first);
    }

    async ValueTask<(long, long?)> StatAsync(string key, CancellationToken cancel)
    {
        await _place.Store.HeadAsync(key, cancel);
        return default;
    }

    async ValueTask<(long, long?)> ListAsync(int folder, CancellationToken cancel)
    {
        long? first = null;
        string prefix = $"{_prefix}{folder % Math.Min(1000, _keys.Length):000}/";
        await foreach (var _ in _place.Store.ListAsync(prefix, ListOptions.Default, cancel))
            first ??= OpClock.Now;
        return (0, first);
    }

    async ValueTask<(long, long?)> DeleteAsync(string key, CancellationToken cancel)
    {
        foreach (var failure in await _place.Store.DeleteAsync([key], cancel))
            throw failure.Error;
        return default;
    }

    async Task EachAsync(int jobs, Func<int, CancellationToken, Task> work) =>
        await Task.WhenAll(Enumerable.Range(0, jobs).Select(worker => Task.Run(() => work(worker, _run.Cancel), _run.Cancel)));

    /// <summary>Nothing stays, however it ended.</summary>
    public static async Task RemoveAsync(Invocation run, Place place, string prefix)
    {
        await foreach (var page in place.Store.ListAsync(prefix, ListOptions.Default, CancellationToken.None))
        {
            foreach (string[] batch in page.Objects.Select(static meta => meta.Key).Chunk(BatchLength))
            {
                foreach (var failure in await place.Store.DeleteAsync(batch, CancellationToken.None))
                    run.Terminal.Failure(failure.Error);
            }
        }
        if (place.IsLocal)
            await place.Store.DeleteTreeAsync(prefix.TrimEnd('/'), run.Terminal.Progress, CancellationToken.None);
    }

    static (string, int)[] Mix(string text) =>
    [
        .. text.Split(',').Select(static one =>
        {
            string[] parts = one.Split('=');
            string op = parts[0].Trim().ToUpperInvariant();
            if (!Known.Contains(op))
                throw new UsageException(NearestName.Refuse("operation", parts[0],
                    [.. Known.Select(static name => name.ToLowerInvariant())]));
            return (op, parts.Length == 1 ? 1 : Quantity.Integer(parts[1], "--mix", 0, 1_000_000));
        }).Where(static one => one.Item2 > 0) is var chosen && chosen.Any() ? chosen
            : throw new UsageException("--mix: no operation has a weight above 0"),
    ];
}
