using S3dlio.IO;
using Xunit;

namespace S3dlio.Table;

/// <summary>
/// A batch at every call of the disk that a checkpoint or a compaction makes: the trainer and the checkpoint take turns at known points,
/// not when the scheduler likes. S3DLIO_TABLE_ROUNDS=2000 is the long form (rounds for each seed).
/// </summary>
public sealed class TableInterleavingTests
{
    static readonly int Rounds =
        int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_TABLE_ROUNDS"), out int count) ? count : 5;

    /// <summary>What a session does under a serial.</summary>
    sealed class Batches(int seed, int keys)
    {
        /// <summary>How far <see cref="Expected"/> is.</summary>
        long _serial = -1;

        readonly TableModel _model = new(Tables.Small().Optimizer, Tables.Dimension);

        public void Run(EmbeddingTable table, long serial) => Make(serial, (kind, some, numbers) =>
        {
            if (kind == 0)
                table.Delete("a", serial, some, OnReplay.Raise, default, out _, out _);
            else if (kind == 1)
                table.Upsert(some, numbers, "a", serial);
            else
                table.Apply(some, numbers, "a", serial);
        });

        /// <summary>The rows after the batches up to this serial, which is no lower than at the call before.</summary>
        public TableModel Expected(long last)
        {
            while (_serial < last)
            {
                _serial++;
                Make(_serial, (kind, some, numbers) =>
                {
                    if (kind == 0)
                        _model.Delete("a", _serial, some);
                    else if (kind == 1)
                        _model.Upsert("a", _serial, some, numbers);
                    else
                        _model.Apply("a", _serial, some, numbers);
                });
            }
            return _model;
        }

        void Make(long serial, Action<int, long[], float[]> run)
        {
            var random = new Random((seed * 1_000_003) + (int)serial);
            int among = random.Next(3) == 0 ? keys : keys / 8;
            long[] some = [.. Enumerable.Range(0, random.Next(1, 50)).Select(_ => (long)random.Next(among))];
            float[] numbers = [.. Enumerable.Range(0, some.Length * Tables.Dimension).Select(_ => (float)random.Next(-2, 3))];
            run(random.Next(6), some, numbers);
        }
    }

    [Theory]
    [InlineData(1, 64, 2000)]
    [InlineData(2, 64, 400)]
    [InlineData(3, 1024, 2000)]
    [InlineData(4, 1024, 400)]
    public void Checkpoint_ABatchAtEveryCallOfTheDisk_HasNothingLaterThanItsSerial(int seed, int kilobytes, int keys)
    {
        var random = new Random(seed);
        var disk = Tables.NewDisk();
        OtherThread? trainer = null;
        bool takesTurns = false;
        int main = Environment.CurrentManagedThreadId;
        var between = new FaultyDisk(disk, (_, _, _) =>
        {
            if (takesTurns && Environment.CurrentManagedThreadId == main && random.Next(3) > 0)
                trainer!.Turn(patience: 5);
            return null;
        });
        var options = Tables.Small() with { Memory = kilobytes << 10, Keep = 3 };
        using var table = EmbeddingTable.Open(between, "/t", options);
        var batches = new Batches(seed, keys);
        using (trainer = new OtherThread(serial => batches.Run(table, serial)))
        {
            for (int round = 0; round < Rounds; round++)
            {
                for (int i = random.Next(8); i >= 0; i--)
                    trainer.Turn(Timeout.Infinite);
                takesTurns = true;
                if (round % 4 == 3)
                    table.Compact(0.8, default);
                var made = table.Checkpoint(waits: true, default);
                takesTurns = false;
                trainer.Rest(Timeout.Infinite);
                Assert.Null(trainer.Failure);
                using var again = EmbeddingTable.Open(disk, "/t", options with { IsReadOnly = true, Version = made.Version });
                again.Check(batches.Expected(made.Sessions.GetValueOrDefault("a", -1)));
            }
            Assert.True(trainer.Turns > Rounds * 8, $"{trainer.Turns} turns in {Rounds} rounds");
        }
    }
}
