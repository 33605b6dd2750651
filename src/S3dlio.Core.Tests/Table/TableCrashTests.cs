using S3dlio.IO;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Table;

/// <summary>
/// Power cuts at every step of checkpoints, full disks and failed flushes, on a simulated disk that loses any part of what was not flushed.
/// S3DLIO_TABLE_CRASHES=100000 is the long form (crash points), S3DLIO_TABLE_SEED=n repeats one.
/// </summary>
public sealed class TableCrashTests
{
    static readonly int Points = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_TABLE_CRASHES"), out int count) ? count : 1_500;
    static readonly int? OneSeed = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_TABLE_SEED"), out int seed) ? seed : null;

    static readonly TableOptions Options = Tables.Small() with { Keep = 2, Shards = 1 };

    /// <summary>A table, a model, and the model at each checkpoint.</summary>
    sealed class Run(SimulatedDisk disk, Random random) : IDisposable
    {
        EmbeddingTable? _table;

        /// <summary>Gives the memory of a table back whose disk is gone; thousands of them are made.</summary>
        public void Dispose()
        {
            try
            {
                _table?.Dispose();
            }
            catch (Exception error) when (disk.IsOff && error is PowerCutException or StoreException)
            {
                // it has nothing to close any more
            }
        }

        public TableModel Model { get; private set; } = new(Options.Optimizer, Tables.Dimension);

        public Dictionary<long, TableModel> Made { get; private init; } = new() { [0] = new(Options.Optimizer, Tables.Dimension) };

        /// <summary>The newest checkpoint that returned.</summary>
        public long Acknowledged { get; private set; }

        /// <summary>Work, until the power goes.</summary>
        public void Work(int steps)
        {
            try
            {
                Open();
                for (int step = 0; step < steps; step++)
                    Step();
            }
            catch (Exception error) when (disk.IsOff && error is PowerCutException or StoreException)
            {
                // the crash that was wanted
            }
        }

        public void Open()
        {
            _table = EmbeddingTable.Open(disk, "/t", Options);
            Assert.InRange(_table.Version, Acknowledged, Made.Keys.Max());
            Model = Made[_table.Version].Copy();
            _table.Check(Model);
            // what was not made durable may be made again under the same number
            foreach (long version in Made.Keys.Where(one => one > _table.Version).ToArray())
                Made.Remove(version);
            Acknowledged = _table.Version;
        }

        public void Step()
        {
            long[] keys = [.. Enumerable.Range(0, random.Next(1, 60)).Select(_ => (long)random.Next(3000))];
            float[] numbers = [.. Enumerable.Range(0, keys.Length * Tables.Dimension).Select(_ => (float)random.Next(-2, 3))];
            long serial = Model.Sessions.GetValueOrDefault("a", -1) + 1;
            switch (random.Next(6))
            {
                case 0:
                    Made[_table!.Version + 1] = Model.Copy();
                    Acknowledged = _table.Checkpoint(waits: true, default).Version;
                    break;
                case 1:
                    _table!.Delete("a", serial, keys, OnReplay.Raise, default, out _, out _);
                    Model.Delete("a", serial, keys);
                    break;
                case 2 when random.Next(4) == 0:
                    _table!.Compact(0.7, default);
                    break;
                case 3 when random.Next(4) == 0:
                    var gone = new List<long>();
                    _table!.Evict(new EvictRule { MostRows = Math.Max(1, Model.Count - random.Next(100)) }, gone, default);
                    Model.Evict(gone);
                    break;
                default:
                    _table!.Apply(keys, numbers, "a", serial);
                    Model.Apply("a", serial, keys, numbers);
                    break;
            }
        }

        public Run On(SimulatedDisk after) => new(after, random) { Made = new(Made), Acknowledged = Acknowledged };
    }

    static void ForEach(int first, int count, Action<int> one)
    {
        IEnumerable<int> seeds = OneSeed is int only ? [only] : Enumerable.Range(first, count);
        Parallel.ForEach(seeds, new ParallelOptions { MaxDegreeOfParallelism = 2 }, seed =>
        {
            try
            {
                one(seed);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"S3DLIO_TABLE_SEED={seed}: {error.Message}", error);
            }
        });
    }

    [Fact]
    public void Open_PowerCutsAtRandomSteps_IsAWholeCheckpointThatIsNoOlderThanTheAcknowledgedOne() => ForEach(0, Points / 3, seed =>
    {
        var random = new Random(seed);
        var disk = Tables.NewDisk();
        var run = new Run(disk, random);
        for (int crash = 0; crash < 3; crash++)
        {
            disk.CutBefore = disk.Steps + random.Next(1, 160);
            run.Work(200);
            disk = random.Next(4) == 0 ? disk.Kill() : disk.Crash(random);
            using var before = run;
            run = before.On(disk);
        }
        using var last = run;
        run.Open();
        for (int step = 0; step < 10; step++)
            run.Step();
    });

    /// <summary>Every step of the same work, and several images after each.</summary>
    [Fact]
    public void Open_PowerCutBeforeEveryStep_IsAWholeCheckpoint()
    {
        int steps = WorkUntil(null, out var whole, out _);
        whole.Dispose();
        Assert.InRange(steps, 60, 10_000);
        for (int cut = 0; cut < steps; cut++)
        {
            WorkUntil(cut, out var run, out var disk);
            using var before = run;
            for (int image = 0; image < 4; image++)
            {
                using var after = run.On(image == 3 ? disk.CrashTo(~0) : disk.Crash(new Random((cut * 4) + image)));
                after.Open();
            }
        }

        static int WorkUntil(int? cut, out Run run, out SimulatedDisk disk)
        {
            disk = Tables.NewDisk();
            disk.CutBefore = cut;
            run = new Run(disk, new Random(77));
            run.Work(60);
            return disk.Steps;
        }
    }

    [Fact]
    public void Checkpoint_DiskIsFull_FailsAndTheTableGoesOn()
    {
        var disk = Tables.NewDisk();
        using var table = EmbeddingTable.Open(disk, "/t", Options with { Memory = 1 << 20 });
        var model = new TableModel(Options.Optimizer, Tables.Dimension);
        void Add(int from)
        {
            long[] keys = [.. Enumerable.Range(from, 2000).Select(one => (long)one)];
            float[] ones = [.. Enumerable.Repeat(1f, keys.Length * Tables.Dimension)];
            long serial = model.Sessions.GetValueOrDefault("a", -1) + 1;
            table.Apply(keys, ones, "a", serial);
            model.Apply("a", serial, keys, ones);
        }
        Add(0);
        table.Checkpoint(waits: true, default);
        Add(1000);
        disk.Capacity = 60_000;
        var error = Assert.Throws<StoreException>(() => table.Checkpoint(waits: true, default));
        Assert.Equal(ErrorKind.OutOfSpace, error.Kind);
        Add(2000);
        table.Check(model);
        Assert.Equal(1, table.Version);
        disk.Capacity = long.MaxValue;
        Assert.Equal(2, table.Checkpoint(waits: true, default).Version);
        table.Dispose();
        using var again = EmbeddingTable.Open(disk, "/t", Options);
        again.Check(model);
    }

    [Theory]
    [InlineData("seg-")]
    [InlineData("checkpoint-")]
    public void Checkpoint_FlushFails_NoOtherSucceedsUntilReopened(string file)
    {
        var disk = Tables.NewDisk();
        var table = EmbeddingTable.Open(disk, "/t", Options);
        float[] ones = [1, 1, 1, 1, 1];
        table.Apply([1], ones);
        table.Checkpoint(waits: true, default);
        table.Apply([1], ones);
        disk.FailFlushOf = file;
        Assert.Equal(ErrorKind.Unavailable, Assert.Throws<StoreException>(() => table.Checkpoint(waits: true, default)).Kind);
        disk.FailFlushOf = null;
        var error = Assert.Throws<StoreException>(() => table.Checkpoint(waits: true, default));
        Assert.Contains("open the table again", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, table.Lookup(1)[0]);
        table.Dispose();
        using var again = EmbeddingTable.Open(disk, "/t", Options);
        Assert.Equal((1, 1f), (again.Version, again.Lookup(1)[0]));
        again.Apply([1], ones);
        Assert.Equal(2, again.Checkpoint(waits: true, default).Version);
    }
}
