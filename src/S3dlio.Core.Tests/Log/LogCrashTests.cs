using S3dlio.IO;
using S3dlio.Storage;
using Xunit;

namespace S3dlio.Log;

/// <summary>
/// Power cuts, kills and failed flushes at random and at every step, on a simulated disk that loses any part of what was not flushed.
/// S3DLIO_LOG_CRASHES=1000000 is the long form (crash points in all), S3DLIO_LOG_SEED=n repeats one.
/// </summary>
public sealed class LogCrashTests
{
    static readonly int Points = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_LOG_CRASHES"), out int count) ? count : 21_000;
    static readonly int? OneSeed = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_LOG_SEED"), out int seed) ? seed : null;

    /// <summary>Crashes of one run: each is followed by a recovery, a check, and more work.</summary>
    const int CrashesInARun = 3;

    static void Run(int first, int count, Action<int> one)
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
                throw new InvalidOperationException($"S3DLIO_LOG_SEED={seed}: {error.Message}", error);
            }
        });
    }

    /// <summary>Works until the power goes or the steps are over.</summary>
    static void Work(LogModel model, SimulatedDisk disk, Action work)
    {
        try
        {
            work();
        }
        catch (Exception error) when (
            error is PowerCutException || error is StoreException { InnerException: PowerCutException } || disk.IsOff)
        {
            // the crash that was wanted
        }
    }

    [Fact]
    public void Recover_PowerCutsAtRandomSteps_NothingAcknowledgedIsLostOrInvented() => Run(0, Points / CrashesInARun / 3, seed =>
    {
        var random = new Random(seed);
        var model = new LogModel(seed);
        var disk = LogModel.NewDisk();
        for (int crash = 0; crash < CrashesInARun; crash++)
        {
            disk.CutBefore = disk.Steps + random.Next(120);
            Work(model, disk, () =>
            {
                model.Open(disk);
                for (int step = 0; step < 60; step++)
                    model.Step(disk);
            });
            disk = disk.Crash(random);
        }
        model.Open(disk);
    });

    [Fact]
    public void Recover_KillsThenPowerCuts_WhatARecoveryAcceptedStays() => Run(1_000_000, Points / CrashesInARun / 3, seed =>
    {
        var random = new Random(seed);
        var model = new LogModel(seed);
        var disk = LogModel.NewDisk();
        for (int crash = 0; crash < CrashesInARun; crash++)
        {
            Work(model, disk, () =>
            {
                model.Open(disk);
                for (int step = random.Next(40); step > 0; step--)
                    model.Step(disk);
            });
            // the process dies and the page cache lives; the next opening acknowledges what it finds, and then the power goes
            disk = disk.Kill();
            model.Open(disk);
            disk = disk.Crash(random);
        }
        model.Open(disk);
    });

    [Fact]
    public void Recover_FlushFailedThenReopenedThenPowerCut_WhatTheReopenedLogHadStays() =>
        Run(2_000_000, Points / CrashesInARun / 3, seed =>
    {
        var random = new Random(seed);
        var model = new LogModel(seed);
        var disk = LogModel.NewDisk();
        for (int crash = 0; crash < CrashesInARun; crash++)
        {
            model.Open(disk);
            for (int step = random.Next(30); step > 0; step--)
                model.Step(disk);
            disk.FailFlushOf = "seg-";
            try
            {
                for (int step = 0; step < 60; step++)
                    model.Step(disk);
            }
            catch (StoreException error)
            {
                Assert.Equal(ErrorKind.Unavailable, error.Kind);
            }
            disk = disk.Kill();
            model.Open(disk);
            disk = disk.Crash(random);
        }
        model.Open(disk);
    });

    [Fact]
    public void Recover_EveryStepAndEverySubsetOfWhatWaits_NothingIsLost()
    {
        int images = 0;
        for (int cut = 0; ; cut++)
        {
            bool isOver = false;
            // the same work for each image: a crash leaves many
            foreach (int mask in Masks(cut))
            {
                var (model, disk) = Small(cut, out isOver);
                var after = disk.CrashTo(mask);
                model.Open(after);
                images++;
            }
            if (isOver)
                break;
        }
        Assert.InRange(images, 300, int.MaxValue);
    }

    static IEnumerable<int> Masks(int cut)
    {
        var (_, disk) = Small(cut, out _);
        // hints that are never flushed pile up: beyond twelve the subsets are sampled
        if (disk.WaitingCount <= 12)
            return Enumerable.Range(0, 1 << disk.WaitingCount);
        var random = new Random(cut);
        return Enumerable.Range(0, 4096).Select(_ => random.Next(1 << Math.Min(disk.WaitingCount, 30))).Append(0).Append(-1);
    }

    static (LogModel Model, SimulatedDisk Disk) Small(int cut, out bool isOver)
    {
        var model = new LogModel(6);
        var disk = LogModel.NewDisk();
        disk.CutBefore = cut;
        bool ended = false;
        Work(model, disk, () =>
        {
            model.Open(disk);
            for (int step = 0; step < 14; step++)
                model.Step(disk);
            ended = true;
        });
        isOver = ended;
        return (model, disk);
    }
}
