using S3dlio.IO;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>
/// Power cuts and kills at random steps of the journals, on a simulated disk that loses any part of what was not flushed: nothing that was
/// acknowledged is lost, torn or overtaken. S3DLIO_CACHE_CRASHES=20000 is the long form (crash points in all), S3DLIO_CACHE_SEED=n repeats
/// one.
/// </summary>
public sealed class JournalCrashTests
{
    const int CrashesInARun = 3;

    static readonly int Points = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_CACHE_CRASHES"), out int count) ? count : 1200;
    static readonly int? OneSeed = int.TryParse(Environment.GetEnvironmentVariable("S3DLIO_CACHE_SEED"), out int seed) ? seed : null;

    [Fact]
    public Task Journal_PowerCutsAtRandomSteps_NothingAcknowledgedIsLost() => Run(0, (disk, random) => disk.Crash(random));

    [Fact]
    public Task Journal_KillsAtRandomSteps_NothingAcknowledgedIsLost() => Run(1_000_000, (disk, _) => disk.Kill());

    static async Task Run(int first, Func<SimulatedDisk, Random, SimulatedDisk> crash)
    {
        int barriers = 0;
        IEnumerable<int> seeds = OneSeed is int only ? [only] : Enumerable.Range(first, Points / CrashesInARun / 2);
        await Parallel.ForEachAsync(seeds, new ParallelOptions { MaxDegreeOfParallelism = 2 }, async (seed, _) =>
        {
            try
            {
                Interlocked.Add(ref barriers, await One(seed, crash));
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"S3DLIO_CACHE_SEED={seed}: {error.Message}", error);
            }
        });
        Assert.True(barriers > 0, "no manifest was ever sent");
    }

    static async Task<int> One(int seed, Func<SimulatedDisk, Random, SimulatedDisk> crash)
    {
        var random = new Random(seed);
        var model = new JournalModel(seed);
        var disk = JournalModel.NewDisk();
        for (int i = 0; i < CrashesInARun; i++)
        {
            disk.CutBefore = disk.Steps + random.Next(160);
            try
            {
                await model.Open(disk);
                for (int step = 0; step < 50 && !disk.IsOff; step++)
                    await model.Step();
            }
            catch (Exception) when (disk.IsOff)
            {
                // the crash that was wanted
            }
            disk = crash(disk, random);
        }
        await model.Open(disk);
        await model.Drain();
        return model.Barriers;
    }
}
