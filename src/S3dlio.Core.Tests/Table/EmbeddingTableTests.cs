using S3dlio.IO;
using Xunit;

namespace S3dlio.Table;

public sealed class EmbeddingTableTests
{
    /// <summary>Of each session of a test under load: S3DLIO_TABLE_BATCHES=1000000 counts more than 10^8 updates.</summary>
    static readonly int Batches = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_TABLE_BATCHES"), out int count) ? count : 150;

    static readonly UpdateRule[] Rules = Enum.GetValues<UpdateRule>();

    public static TheoryData<UpdateRule, RowType> Kinds()
    {
        var data = new TheoryData<UpdateRule, RowType>();
        foreach (var rule in Rules)
            data.Add(rule, RowType.Float32);
        data.Add(UpdateRule.Add, RowType.Float16);
        data.Add(UpdateRule.Add, RowType.BFloat16);
        return data;
    }

    /// <summary>Sixteen pages of memory, hundreds of pages of rows: duplicates, deletes, growth, checkpoints, reopenings.</summary>
    [Theory]
    [MemberData(nameof(Kinds))]
    public void Table_RandomBatches_AnswersAsADictionary(UpdateRule rule, RowType type)
    {
        var disk = Tables.NewDisk();
        var options = Tables.Small(rule) with
        {
            Type = type,
            Optimizer = Tables.Small(rule).Optimizer with
            {
                WeightDecay = rule == UpdateRule.Adagrad ? 0.01f : 0,
                Momentum = rule == UpdateRule.Sgd ? 0.5f : 0,
            },
        };
        var random = new Random((int)rule + 100);
        var model = new TableModel(options.Optimizer, Tables.Dimension);
        var kept = model.Copy();
        var table = EmbeddingTable.Open(disk, "/t", options);
        try
        {
            for (int step = 0; step < 400; step++)
            {
                long[] keys = [.. Enumerable.Range(0, random.Next(0, 120)).Select(_ => (long)random.Next(6000) - 100)];
                // small whole numbers: exact in every type
                float[] numbers = [.. Enumerable.Range(0, keys.Length * Tables.Dimension).Select(_ => (float)random.Next(-2, 3))];
                string session = random.Next(2) == 0 ? "a" : "b";
                long serial = model.Sessions.GetValueOrDefault(session, -1) + 1 + random.Next(2);
                switch (random.Next(12))
                {
                    case 0 when type == RowType.Float32:
                        table.Upsert(keys, numbers, session, serial);
                        model.Upsert(session, serial, keys, numbers);
                        break;
                    case 1:
                        table.Delete(session, serial, keys, OnReplay.Raise, default, out long applied, out long deleted);
                        Assert.Equal((model.Delete(session, serial, keys), serial), (deleted, applied));
                        break;
                    case 2 when step % 5 == 0:
                        var made = table.Checkpoint(waits: true, default);
                        kept = model.Copy();
                        Assert.Equal(model.Count, made.Rows);
                        break;
                    case 3 when step % 3 == 0:
                        table.Dispose();
                        table = EmbeddingTable.Open(disk, "/t", options);
                        model = kept.Copy();
                        table.Check(model, 1e-4f);
                        break;
                    default:
                        table.Apply(keys, numbers, session, serial);
                        model.Apply(session, serial, keys, numbers);
                        break;
                }
            }
            table.Check(model, 1e-4f);
            Assert.True(table.Statistics().Releases > 0 && table.Statistics().DiskRows > 0, "nothing left memory");
            Assert.All(table.Lookup(-1_000_000, long.MaxValue, long.MinValue), one => Assert.Equal(0, one));
        }
        finally
        {
            table.Dispose();
        }
    }

    [Fact]
    public void Apply_RepeatedSerial_IsRefusedOrPassedOver()
    {
        using var table = EmbeddingTable.Open(Tables.NewDisk(), "/t", Tables.Small());
        float[] ones = [1, 1, 1, 1, 1];
        table.Apply([7], ones, "a", 5);
        var error = Assert.Throws<StoreException>(() => table.Apply("a", 5, [7], ones, OnReplay.Raise, default, out _));
        Assert.Equal(ErrorKind.Precondition, error.Kind);
        Assert.Contains("had serial 5", error.Message, StringComparison.Ordinal);
        Assert.False(table.Apply("a", 3, [7], ones, OnReplay.Skip, default, out long applied));
        Assert.Equal(5, applied);
        table.Apply([7], ones, "b", 5);
        table.Apply([7], ones, "a");
        Assert.Equal(3, table.Lookup(7)[0]);
        Assert.Equal(new Dictionary<string, long> { ["a"] = 6, ["b"] = 5 }, table.Sessions);
        Assert.Throws<StoreException>(() => table.Apply("a", -2, [7], ones, OnReplay.Raise, default, out _));
        table.Apply([7], ones, "c", long.MaxValue);
        Assert.Throws<StoreException>(() => table.Apply("c", -1, [7], ones, OnReplay.Raise, default, out _));
    }

    [Fact]
    public void Lookup_KeysWithoutRows_GivesTheSameInitialRowsInAnyOrder()
    {
        var initial = new Initializer { Rows = InitialRows.Uniform, Low = -0.01f, High = 0.01f, Seed = 3 };
        var options = Tables.Small() with { Initializer = initial };
        using var table = EmbeddingTable.Open(Tables.NewDisk(), "/t", options);
        var rows = table.Lookup(1, 2, 3);
        Assert.Equal(rows[10..], table.Lookup(3));
        Assert.All(rows, one => Assert.InRange(one, -0.01f, 0.0099999f));
        Assert.Equal(15, rows.Distinct().Count());
        table.Apply([2], [0, 0, 0, 0, 0]);
        Assert.Equal(rows, table.Lookup(1, 2, 3));
        Assert.Equal(1, table.Count);
    }

    /// <summary>The same batches, with and without a reopening in the middle, give the same rows.</summary>
    [Fact]
    public void Apply_AdmissionAfterThreeSightings_DropsTheGradientsBefore()
    {
        var options = Tables.Small() with { AdmitAfter = 3 };
        float[] ones = [1, 1, 1, 1, 1];
        var disk = Tables.NewDisk();
        var table = EmbeddingTable.Open(disk, "/t", options);
        table.Apply([1, 1, 2], [.. ones, .. ones, .. ones]);
        table.Apply([1], ones);
        Assert.Equal(0, table.Count);
        table.Checkpoint(waits: true, default);
        table.Checkpoint(waits: true, default);
        table.Dispose();
        table = EmbeddingTable.Open(disk, "/t", options);
        table.Apply([1, 2], [.. ones, .. ones]);
        Assert.Equal((1L, 1f, 0f), (table.Count, table.Lookup(1)[0], table.Lookup(2)[0]));
        table.Apply([1, 2], [.. ones, .. ones]);
        table.Upsert([3], ones);
        Assert.Equal((3L, 2f, 1f), (table.Count, table.Lookup(1)[0], table.Lookup(2)[0]));
        table.Dispose();
    }

    [Fact]
    public void Initial_Normal_HasMeanAndDeviation()
    {
        var initial = new Initializer { Rows = InitialRows.Normal, Low = 2, High = 3, Seed = 1 };
        var row = new byte[400_000];
        RowNumbers.Initial(initial, 5, row, RowType.Float32);
        var numbers = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(row).ToArray();
        Assert.InRange(numbers.Average(), 1.97, 2.03);
        Assert.InRange(Math.Sqrt(numbers.Average(one => Math.Pow(one - 2, 2))), 2.97, 3.03);
    }

    /// <summary>Sessions write while checkpoints are made: each is exactly the batches up to the serials that it names.</summary>
    [Theory]
    [InlineData(2, 4)]
    [InlineData(6, 100_000)]
    public async Task Checkpoint_UnderLoad_IsAnExactPrefixForEachSession(int threads, int keys)
    {
        const int size = 40;
        int batches = Batches;
        string directory = Directory.CreateTempSubdirectory("s3dlio-table-").FullName;
        var options = Tables.Small() with { Memory = 256 << 10, Shards = 4 };
        long[] Keys(int thread, long serial)
        {
            var random = new Random((thread * 100_003) + (int)serial);
            return [.. Enumerable.Range(0, size).Select(_ => (long)random.Next(keys))];
        }
        float[] ones = [.. Enumerable.Repeat(1f, size * Tables.Dimension)];
        try
        {
            var made = new List<TableCheckpoint>();
            using (var table = EmbeddingTable.Open(directory, options))
            {
                var writers = Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(
                    () =>
                    {
                        for (long serial = 0; serial < batches; serial++)
                        {
                            table.Apply(Keys(thread, serial), ones, $"session-{thread}", serial);
                            if (serial % 7 == thread)
                                Thread.Yield();
                        }
                    }, TaskCreationOptions.LongRunning)).ToArray();
                while (!writers.All(one => one.IsCompleted))
                    made.Add(table.Checkpoint(waits: true, default));
                await Task.WhenAll(writers);
                made.Add(table.Checkpoint(waits: true, default));
                Assert.Equal(batches - 1, made[^1].Sessions["session-0"]);
                Assert.Equal((long)threads * batches, table.Step);
            }
            Assert.Equal(Enumerable.Range(1, made.Count).Select(one => (long)one), made.Select(one => one.Version));
            foreach (var checkpoint in made.Where((_, i) => i % Math.Max(1, made.Count / 6) == 0).Append(made[^1]))
            {
                using var table = EmbeddingTable.Open(directory, options with { IsReadOnly = true, Version = checkpoint.Version });
                var counts = new Dictionary<long, int>();
                for (int thread = 0; thread < threads; thread++)
                {
                    long last = checkpoint.Sessions.GetValueOrDefault($"session-{thread}", -1);
                    for (long serial = 0; serial <= last; serial++)
                    {
                        foreach (long key in Keys(thread, serial))
                            counts[key] = counts.GetValueOrDefault(key) + 1;
                    }
                }
                Assert.Equal(counts.Count, table.Count);
                long[] all = [.. counts.Keys];
                var rows = table.Lookup(all);
                for (int i = 0; i < all.Length; i++)
                    Assert.Equal(counts[all[i]], rows[i * Tables.Dimension]);
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    /// <summary>
    /// Each session trains, sets and deletes keys of its own while checkpoints are made, files are compacted and pages leave memory; the
    /// batches follow from their serial, so what a checkpoint must have follows from the serials that it names.
    /// </summary>
    [Theory]
    [InlineData(64, 0)]
    [InlineData(64, 300)]
    [InlineData(512, 20)]
    public async Task Checkpoint_BesideDeletesCompactionAndSmallMemory_IsAnExactPrefix(int kilobytes, int hot)
    {
        const int threads = 3, keys = 3000, size = 40;
        int batches = 4 * Batches;
        string directory = Directory.CreateTempSubdirectory("s3dlio-table-").FullName;
        var options = Tables.Small() with { Memory = kilobytes << 10 };
        void Batch(int thread, long serial, Action<int, long[], float[]> run)
        {
            var random = new Random((thread * 1_000_003) + (int)serial);
            long first = thread * keys;
            long[] some = [.. Enumerable.Range(0, size).Select(_ => first + random.Next(random.Next(4) < 3 && hot > 0 ? hot : keys))];
            float[] numbers = [.. Enumerable.Range(0, size * Tables.Dimension).Select(_ => (float)random.Next(-2, 3))];
            run(random.Next(6), some, numbers);
        }
        try
        {
            var made = new List<TableCheckpoint>();
            using (var table = EmbeddingTable.Open(directory, options))
            {
                var writers = Enumerable.Range(0, threads).Select(thread => Task.Factory.StartNew(
                    () =>
                    {
                        string session = $"s{thread}";
                        var yields = new Random(thread);
                        for (long serial = 0; serial < batches; serial++)
                        {
                            Batch(thread, serial, (kind, some, numbers) =>
                            {
                                if (kind == 0)
                                    table.Delete(session, serial, some, OnReplay.Raise, default, out _, out _);
                                else if (kind == 1)
                                    table.Upsert(some, numbers, session, serial);
                                else
                                    table.Apply(some, numbers, session, serial);
                            });
                            if (yields.Next(3) == 0)
                                Thread.Yield();
                        }
                    }, TaskCreationOptions.LongRunning)).ToArray();
                for (int i = 0; !writers.All(one => one.IsCompleted); i++)
                {
                    made.Add(table.Checkpoint(waits: true, default));
                    if (i % 5 == 4)
                        table.Compact(0.8, default);
                }
                await Task.WhenAll(writers);
                made.Add(table.Checkpoint(waits: true, default));
                Assert.True(table.Statistics().Copies > 0, "nothing was changed beside a checkpoint");
            }
            foreach (var checkpoint in made.Where((_, i) => i % Math.Max(1, made.Count / 8) == 0).Append(made[^1]))
            {
                var model = new TableModel(options.Optimizer, Tables.Dimension);
                for (int thread = 0; thread < threads; thread++)
                {
                    string session = $"s{thread}";
                    for (long serial = 0; serial <= checkpoint.Sessions.GetValueOrDefault(session, -1); serial++)
                    {
                        Batch(thread, serial, (kind, some, numbers) =>
                        {
                            if (kind == 0)
                                model.Delete(session, serial, some);
                            else if (kind == 1)
                                model.Upsert(session, serial, some, numbers);
                            else
                                model.Apply(session, serial, some, numbers);
                        });
                    }
                }
                using var table = EmbeddingTable.Open(directory, options with { IsReadOnly = true, Version = checkpoint.Version });
                table.Check(model);
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Checkpoint_FewRowsChanged_WritesFewBytes()
    {
        string directory = Directory.CreateTempSubdirectory("s3dlio-table-").FullName;
        try
        {
            var options = new TableOptions { Dimension = 64, Optimizer = new Optimizer { Rule = UpdateRule.RowwiseAdagrad } };
            using var table = EmbeddingTable.Open(directory, options);
            long[] keys = [.. Enumerable.Range(0, 100_000).Select(one => (long)one)];
            table.Apply(keys, new float[keys.Length * 64]);
            long full = table.Checkpoint(waits: true, default).NewBytes;
            long[] some = [.. keys.Where(one => one % 100 == 3)];
            table.Apply(some, new float[some.Length * 64]);
            long part = table.Checkpoint(waits: true, default).NewBytes;
            Assert.True(part <= full * 0.03, $"{part} bytes of {full}");
            Assert.Equal([1L, 2], table.Checkpoints().Select(one => one.Version));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Open_OtherOptions_NamesWhatDiffers()
    {
        var disk = Tables.NewDisk();
        EmbeddingTable.Open(disk, "/t", Tables.Small()).Dispose();
        void Refused(TableOptions options, string words)
        {
            var error = Assert.Throws<StoreException>(() => EmbeddingTable.Open(disk, "/t", options));
            Assert.Equal(ErrorKind.InvalidArgument, error.Kind);
            Assert.Contains(words, error.Message, StringComparison.Ordinal);
        }
        Refused(Tables.Small() with { Dimension = 6 }, "rows of 5 numbers, 6");
        Refused(Tables.Small() with { Type = RowType.Float16 }, "has float32, float16");
        Refused(Tables.Small(UpdateRule.Adam), "trained by add, adam");
        Refused(Tables.Small() with { Initializer = new Initializer { Seed = 4 } }, "other initial rows");
        Refused(Tables.Small() with { Shards = 8 }, "2 shards, 8");
        Refused(Tables.Small() with { Optimizer = new Optimizer { LearningRate = float.NaN } }, "expected lr");
        EmbeddingTable.Open(disk, "/t", Tables.Small() with { Dimension = 0 }).Dispose();
        EmbeddingTable.Open(disk, "/t", new TableOptions { TakesAll = true, IsReadOnly = true }).Dispose();
        var error = Assert.Throws<StoreException>(() => EmbeddingTable.Open(disk, "/none", new TableOptions { IsReadOnly = true }));
        Assert.Equal(ErrorKind.NotFound, error.Kind);
    }

    [Fact]
    public void Open_TwoWriters_TheSecondIsRefused()
    {
        var disk = Tables.NewDisk();
        using var table = EmbeddingTable.Open(disk, "/t", Tables.Small());
        var error = Assert.Throws<StoreException>(() => EmbeddingTable.Open(disk, "/t", Tables.Small()));
        Assert.Equal(ErrorKind.Unavailable, error.Kind);
        Assert.Contains("another writer has this table", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Call_AfterDispose_IsRefused()
    {
        var table = EmbeddingTable.Open(Tables.NewDisk(), "/t", Tables.Small());
        table.Dispose();
        table.Dispose();
        Assert.Equal(ErrorKind.Closed, Assert.Throws<StoreException>(() => table.Lookup(1)).Kind);
        Assert.Equal(ErrorKind.Closed, Assert.Throws<StoreException>(() => table.Checkpoint(true, default)).Kind);
    }
}
