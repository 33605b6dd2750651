using System.Globalization;
using System.Runtime.InteropServices;
using S3dlio.Table;
using static S3dlio.Bench.Pairs;

namespace S3dlio.Bench;

/// <summary>
/// The embedding table beside FASTER and RocksDB, in turns in one process, rows of 64 float32 numbers, one thread: the median of the pairs'
/// ratios counts.
/// </summary>
static class Program
{
    const int Dimension = Row.Length;

    static string _folder = "";
    static int _number, _rows, _pairs;

    static string Fresh() => Path.Combine(_folder, $"{_number++}");

    static int Main(string[] arguments)
    {
        var parts = new Dictionary<string, Action>
        {
            ["load"] = Loads,
            ["memory"] = InMemory,
            ["larger"] = Larger,
            ["checkpoint"] = Checkpoints,
            ["recovery"] = Recovery,
            ["count"] = Counted,
        };
        if (arguments.Length is 0 or > 4 || (arguments.Length == 4 && !arguments[3].Split(',').All(parts.ContainsKey)))
        {
            Console.Error.WriteLine($"usage: table-bench FOLDER [PAIRS [ROWS [{string.Join(',', parts.Keys)}]]]");
            return 2;
        }
        _folder = Path.Combine(Path.GetFullPath(arguments[0]), $"table-bench-{Environment.ProcessId}");
        Directory.CreateDirectory(_folder);
        _pairs = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 7;
        _rows = arguments.Length > 2 ? int.Parse(arguments[2], CultureInfo.InvariantCulture) : 1_000_000;
        Console.WriteLine($"{Machine}, {_rows} rows");
        try
        {
            foreach (string part in arguments.Length == 4 ? arguments[3].Split(',') : [.. parts.Keys.Where(part => part != "count")])
                parts[part]();
        }
        finally
        {
            Directory.Delete(_folder, recursive: true);
        }
        return 0;
    }

    sealed class OurRows(string folder, long memory, UpdateRule rule = UpdateRule.Add) : Rows
    {
        public EmbeddingTable Table { get; } = EmbeddingTable.Open(
            folder, new TableOptions { Dimension = Dimension, Memory = memory, Optimizer = new Optimizer { Rule = rule } });

        public override void Put(ReadOnlySpan<long> keys, ReadOnlySpan<float> rows) =>
            Table.Upsert("a", -1, keys, MemoryMarshal.AsBytes(rows), OnReplay.Raise, default, out _);

        public override void Get(ReadOnlySpan<long> keys, Span<float> rows) => Table.Lookup(keys, MemoryMarshal.AsBytes(rows), [], default);

        public override void Add(ReadOnlySpan<long> keys, ReadOnlySpan<float> gradients) =>
            Table.Apply("a", -1, keys, gradients, OnReplay.Raise, default, out _);

        public override void Dispose() => Table.Dispose();
    }

    static void Loads()
    {
        const long memory = 1L << 30;
        Compare("load, against FASTER", 2, () => Load(new OurRows(Fresh(), memory)), () => Load(new FasterRows(Fresh(), memory)));
        Compare("load, against Tsavorite", 0, () => Load(new OurRows(Fresh(), memory)), () => Load(new TsavoriteRows(Fresh(), memory)));
        Compare("load, against RocksDB", 3, () => Load(new OurRows(Fresh(), memory)), () => Load(new RocksRows(Fresh(), memory)));
    }

    static void InMemory()
    {
        const long memory = 1L << 30;
        var numbers = Numbers(16384);
        using var ours = new OurRows(Fresh(), memory);
        using var adagrad = new OurRows(Fresh(), memory, UpdateRule.Adagrad);
        using var rowwise = new OurRows(Fresh(), memory, UpdateRule.RowwiseAdagrad);
        using var faster = new FasterRows(Fresh(), memory);
        using var tsavorite = new TsavoriteRows(Fresh(), memory);
        foreach (var one in new Rows[] { ours, adagrad, rowwise, faster, tsavorite })
            Fill(one);
        foreach (int size in new[] { 1024, 16384 })
        {
            foreach (bool isZipf in new[] { false, true })
            {
                var batches = Batches(size, isZipf);
                string kind = $"batches of {size}, {(isZipf ? "zipf 0.99" : "uniform")}, against FASTER";
                Compare($"gather, {kind}", isZipf ? 1.5 : 2.5, () => Gather(ours, batches), () => Gather(faster, batches));
                Compare($"the same, against Tsavorite", 0, () => Gather(ours, batches), () => Gather(tsavorite, batches));
                if (!isZipf)
                {
                    Compare($"add, {kind}", 1.5, () => Train(ours, batches, numbers), () => Train(faster, batches, numbers));
                    Compare(
                        "the same, against Tsavorite", 0, () => Train(ours, batches, numbers), () => Train(tsavorite, batches, numbers));
                    Compare($"Adagrad, {kind}'s add", 1.5, () => Train(adagrad, batches, numbers), () => Train(faster, batches, numbers));
                    Compare(
                        $"row-wise Adagrad, {kind}'s add", 1.5,
                        () => Train(rowwise, batches, numbers), () => Train(faster, batches, numbers));
                }
            }
        }
    }

    /// <summary>Four times more data than memory.</summary>
    static void Larger()
    {
        long memory = (long)_rows * Dimension * sizeof(float) / 4;
        using var ours = new OurRows(Fresh(), memory);
        using var faster = new FasterRows(Fresh(), 1L << (int)Math.Log2(memory));
        using var tsavorite = new TsavoriteRows(Fresh(), 1L << (int)Math.Log2(memory));
        using var rocks = new RocksRows(Fresh(), memory);
        foreach (var one in new Rows[] { ours, faster, tsavorite, rocks })
            Fill(one);
        foreach (bool isZipf in new[] { false, true })
        {
            var batches = Batches(1024, isZipf);
            string kind = $"gather, data 4 x memory, {(isZipf ? "zipf 0.99" : "uniform")}";
            Compare(
                $"{kind}, against FASTER (memory rounded down to a power of two)", 1.5,
                () => Gather(ours, batches), () => Gather(faster, batches));
            Compare($"{kind}, against Tsavorite (the same)", 0, () => Gather(ours, batches), () => Gather(tsavorite, batches));
            Compare($"{kind}, against RocksDB's MultiGet", isZipf ? 0 : 3, () => Gather(ours, batches), () => Gather(rocks, batches));
        }
    }

    /// <summary>What a checkpoint of all rows costs those who write meanwhile.</summary>
    static void Checkpoints()
    {
        using var ours = new OurRows(Fresh(), 2L << 30, UpdateRule.RowwiseAdagrad);
        Fill(ours);
        var batches = Batches(1024, isZipf: false);
        var numbers = Numbers(1024);
        List<double> shares = [], costs = [], gates = [], took = [], makers = [], tails = [];
        for (int i = 0; i < _pairs; i++)
        {
            var alone = new List<double>();
            double before = ThreadSeconds(), seconds = 0;
            foreach (long[] keys in batches)
                alone.Add(Seconds(() => ours.Add(keys, numbers)));
            double rate = _rows / alone.Sum(), cost = (ThreadSeconds() - before) / alone.Count;
            var maker = Task.Factory.StartNew(
                () =>
                {
                    double start = ThreadSeconds();
                    seconds = Seconds(() => ours.Table.Checkpoint(waits: true, default));
                    return ThreadSeconds() - start;
                }, TaskCreationOptions.LongRunning);
            var beside = new List<double>();
            before = ThreadSeconds();
            while (!maker.IsCompleted)
                beside.Add(Seconds(() => ours.Add(batches[beside.Count % batches.Length], numbers)));
            shares.Add(beside.Count * batches[0].Length / seconds / rate);
            costs.Add(cost / ((ThreadSeconds() - before) / beside.Count));
            makers.Add(maker.GetAwaiter().GetResult());
            gates.Add(ours.Table.Statistics().GateNanoseconds / 1e3);
            took.Add(seconds);
            tails.Add(beside.Order().ElementAt(beside.Count * 99 / 100) / alone.Order().ElementAt(alone.Count * 99 / 100));
        }
        Console.WriteLine(
            $"row-wise Adagrad while a checkpoint of all rows is made ({Median(took) * 1e3:0} ms, {Median(makers) * 1e3:0} of a"
            + " processor)\n"
            + $"  {Median(shares):0.00} of its rate alone ({shares.Min():0.00} to {shares.Max():0.00}, bar 0.70),"
            + $" {Median(costs):0.00} ({costs.Min():0.00} to {costs.Max():0.00}) by the time of its processor\n"
            + $"  gate closed {Median(gates):0} us, at most {gates.Max():0} (bar 1000); p99 of batches {Median(tails):0.0} of that alone"
            + $" ({tails.Min():0.0} to {tails.Max():0.0}, bar 2)");
    }

    /// <summary>How fast a table is there again.</summary>
    static void Recovery()
    {
        string folder = Fresh();
        using (var ours = new OurRows(folder, 1L << 30, UpdateRule.RowwiseAdagrad))
        {
            Fill(ours);
            ours.Table.Checkpoint(waits: true, default);
        }
        string theirs = Fresh();
        using (var faster = new FasterRows(theirs, 1L << 30))
        {
            Fill(faster);
            faster.Checkpoint();
        }
        var opened = new List<double>();
        double OursOnce()
        {
            opened.Add(Seconds(() =>
            {
                using var ours = new OurRows(folder, 1L << 30, UpdateRule.RowwiseAdagrad);
                ours.Get([7919], new float[Dimension]);
            }));
            return opened[^1];
        }
        double FasterOnce()
        {
            using var faster = new FasterRows(theirs, 1L << 30, recovers: true, out double seconds);
            return seconds;
        }
        Compare($"recovery of {_rows} rows to the first lookup, against FASTER", 2, OursOnce, FasterOnce);
        Console.WriteLine($"  ours: {Median(opened) * 1e3:0} ms");
    }

    /// <summary>
    /// Threads add one to the rows of keys while checkpoints are made; in the end, and in the last checkpoint, each key has exactly as many
    /// as it was given. ROWS is the number of updates here.
    /// </summary>
    static void Counted()
    {
        const int keys = 1 << 20, size = 8192, threads = 2;
        string folder = Fresh();
        long each = Math.Max(1, (long)_rows / size / threads), made = 0;
        // what a thread's batch has follows from its number
        static void Draw(int thread, long batch, long[] into)
        {
            ulong state = ((ulong)batch * threads) + (ulong)thread + 1;
            for (int i = 0; i < into.Length; i++)
            {
                state = (state * 6364136223846793005) + 1442695040888963407;
                into[i] = (long)(state >> 44);
            }
        }
        var options = new TableOptions { Dimension = 1, Memory = 256L << 20, Optimizer = new Optimizer { Rule = UpdateRule.Add } };
        double seconds;
        using (var table = EmbeddingTable.Open(folder, options))
        {
            var writers = Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(
                () =>
                {
                    var some = new long[size];
                    float[] ones = [.. Enumerable.Repeat(1f, size)];
                    for (long batch = 0; batch < each; batch++)
                    {
                        Draw(thread, batch, some);
                        table.Apply($"{thread}", batch, some, ones, OnReplay.Raise, default, out _);
                    }
                }, TaskCreationOptions.LongRunning)).ToArray();
            seconds = Seconds(() =>
            {
                while (!Task.WaitAll(writers, 500))
                {
                    table.Checkpoint(waits: true, default);
                    made++;
                }
            });
            table.Checkpoint(waits: true, default);
        }
        var counts = new int[keys];
        var drawn = new long[size];
        for (int thread = 0; thread < threads; thread++)
        {
            for (long batch = 0; batch < each; batch++)
            {
                Draw(thread, batch, drawn);
                foreach (long key in drawn)
                    counts[key]++;
            }
        }
        long wrong = 0;
        using var again = EmbeddingTable.Open(folder, options with { IsReadOnly = true });
        var rows = new float[size];
        for (int at = 0; at < keys; at += size)
        {
            long[] some = [.. Enumerable.Range(at, size).Select(one => (long)one)];
            again.Lookup(some, MemoryMarshal.AsBytes(rows.AsSpan()), [], default);
            for (int i = 0; i < size; i++)
                wrong += rows[i] == counts[at + i] ? 0 : 1;
        }
        Console.WriteLine($"{each * size * threads} counted updates by {threads} threads on {keys} keys beside {made} checkpoints,"
            + $" {each * size * threads / seconds / 1e6:0.0} M/s: {wrong} keys with another count");
        if (wrong > 0)
            throw new InvalidDataException("updates were lost or doubled");
    }

    static long KeyOf(int row) => row * 7919L;

    static float[] Numbers(int rows)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, rows * Dimension).Select(_ => random.NextSingle() - 0.5f)];
    }

    static void Fill(Rows store)
    {
        var keys = new long[16384];
        var rows = Numbers(keys.Length);
        for (int at = 0; at < _rows; at += keys.Length)
        {
            int count = Math.Min(keys.Length, _rows - at);
            for (int i = 0; i < count; i++)
                keys[i] = KeyOf(at + i);
            store.Put(keys.AsSpan(0, count), rows.AsSpan(0, count * Dimension));
        }
    }

    static double Load(Rows store)
    {
        double seconds = Seconds(() => Fill(store));
        store.Dispose();
        return seconds;
    }

    /// <summary>As many keys as there are rows, in batches.</summary>
    static long[][] Batches(int size, bool isZipf)
    {
        var random = new Random(size + (isZipf ? 1 : 0));
        double[] sums = [];
        if (isZipf)
        {
            sums = new double[_rows];
            double sum = 0;
            for (int i = 0; i < _rows; i++)
                sums[i] = sum += 1 / Math.Pow(i + 1, 0.99);
        }
        int Draw()
        {
            if (!isZipf)
                return random.Next(_rows);
            int at = Array.BinarySearch(sums, random.NextDouble() * sums[^1]);
            // popular rows lie anywhere
            return (int)((long)Math.Min(at < 0 ? ~at : at, _rows - 1) * 7919 % _rows);
        }
        return [.. Enumerable.Range(0, Math.Max(1, _rows / size)).Select(
            _ => Enumerable.Range(0, size).Select(_ => KeyOf(Draw())).ToArray())];
    }

    static double Gather(Rows store, long[][] batches)
    {
        var rows = new float[batches[0].Length * Dimension];
        return Seconds(() =>
        {
            foreach (long[] keys in batches)
                store.Get(keys, rows);
        });
    }

    static double Train(Rows store, long[][] batches, float[] numbers) => Seconds(() =>
    {
        foreach (long[] keys in batches)
            store.Add(keys, numbers.AsSpan(0, keys.Length * Dimension));
    });

    static void Compare(string about, double bar, Func<double> ours, Func<double> theirs) =>
        Pairs.Compare(about, "M rows/s", _pairs, bar, ours, theirs, _rows / 1e6);
}
