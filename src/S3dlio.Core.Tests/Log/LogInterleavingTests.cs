using System.Collections.Concurrent;
using S3dlio.IO;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Log;

/// <summary>
/// Appends, commits, truncations, reads and the end of a log at every call of the disk that another thread's call makes, with flushes that
/// fail and the power cut afterwards. S3DLIO_LOG_ROUNDS=2000 is the long form (logs for each seed).
/// </summary>
public sealed class LogInterleavingTests
{
    static readonly int Rounds = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_LOG_ROUNDS"), out int count) ? count : 15;

    static readonly LogOptions Options = new() { SegmentSize = LogOptions.LeastSegment, BufferSize = 4096 };

    /// <summary>Work of either thread on one log, and what it has to hold afterwards.</summary>
    sealed class Work(LogWriter log)
    {
        readonly ConcurrentDictionary<long, byte[]> _appended = new();
        readonly Lock _gate = new();
        long _acknowledged, _truncated;

        /// <summary>A flush was made to fail: every later call may be refused.</summary>
        public bool MayFail { get; set; }

        public bool IsClosing { get; set; }

        public void Step(Random random)
        {
            try
            {
                switch (random.Next(10))
                {
                    case < 5:
                        var record = new byte[random.Next(4) == 0 ? random.Next(3000) : random.Next(60)];
                        random.NextBytes(record);
                        _appended[log.Append(record.AsSpan())] = record;
                        break;
                    case < 8:
                        Acknowledge(random.Next(2) == 0 ? log.Commit() : log.CommitAsync(CancellationToken.None).GetAwaiter().GetResult());
                        break;
                    case 8 when log.Committed > log.Begin:
                        long first = log.Begin + random.NextInt64((log.Committed - log.Begin) / 2 + 1);
                        // one that fails may have moved the beginning all the same
                        lock (_gate)
                            _truncated = Math.Max(_truncated, first);
                        Assert.InRange(log.Truncate(first), first, log.Committed);
                        break;
                    default:
                        Read(random);
                        break;
                }
            }
            catch (StoreException) when (MayFail || IsClosing)
            {
                // refused after a failed flush, or after the end
            }
            catch (ObjectDisposedException) when (IsClosing)
            {
            }
        }

        void Read(Random random)
        {
            long begin = log.Begin, end = log.Committed;
            if (begin >= end)
                return;
            long number = random.NextInt64(begin, end);
            try
            {
                Expect(number, log.Read(number));
            }
            catch (StoreException error) when (error.Kind == ErrorKind.NotFound && number < log.Begin)
            {
                // it was truncated meanwhile
            }
        }

        /// <summary>A record may be read by one thread before the other that appended it wrote down what it was.</summary>
        void Expect(long number, byte[] found)
        {
            if (_appended.TryGetValue(number, out byte[]? wanted))
                Assert.Equal(wanted, found);
        }

        public void Acknowledge(long end)
        {
            lock (_gate)
                _acknowledged = Math.Max(_acknowledged, end);
        }

        /// <summary>What was acknowledged is there and equal, and what is there was appended.</summary>
        public void Check(LogWriter again)
        {
            Assert.InRange(again.Committed, _acknowledged, _appended.Count);
            Assert.InRange(again.Begin, 0, _truncated);
            for (long number = again.Begin; number < again.Committed; number++)
                Assert.Equal(_appended[number], again.Read(number));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Call_AnotherThreadsAtEveryCallOfTheDisk_AcknowledgedRecordsStay(int seed)
    {
        int turns = 0;
        for (int round = 0; round < Rounds; round++)
        {
            var (random, theirs) = (new Random((seed * 10_007) + round), new Random((seed * 10_007) - round - 1));
            var disk = LogModel.NewDisk();
            OtherThread? other = null;
            bool takesTurns = false;
            int main = Environment.CurrentManagedThreadId;
            var between = new FaultyDisk(disk, (_, _, _) =>
            {
                if (takesTurns && Environment.CurrentManagedThreadId == main && random.Next(3) > 0)
                    other!.Turn(patience: 5);
                return null;
            });
            var log = LogWriter.Open(between, LogModel.Place, Options);
            var work = new Work(log);
            using (other = new OtherThread(_ => work.Step(theirs)))
            {
                takesTurns = true;
                for (int step = random.Next(10, 60); step > 0; step--)
                {
                    if (random.Next(400) == 0)
                        (work.MayFail, disk.FailFlushOf) = (true, "seg-");
                    work.Step(random);
                }
                if (random.Next(2) == 0)
                {
                    // the end of the log in the middle of the other's call, too
                    work.IsClosing = true;
                    try
                    {
                        log.Close();
                    }
                    catch (StoreException) when (work.MayFail)
                    {
                    }
                }
                takesTurns = false;
                other.Rest(Timeout.Infinite);
                Assert.True(other.Failure is null, $"seed {seed}, round {round}: {other.Failure}");
                turns += other.Turns;
            }
            disk.FailFlushOf = null;
            var after = disk.Crash(random);
            using var again = LogWriter.Open(after, LogModel.Place, Options);
            work.Check(again);
        }
        Assert.True(turns > Rounds * 8, $"{turns} turns in {Rounds} rounds");
    }
}
