using S3dlio.Checkpoint;
using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;
using static S3dlio.Tests.Checkpoint.CheckpointScene;

namespace S3dlio.Tests.Checkpoint;

/// <summary>
/// A process that dies at every single call to its store, before and after what the call does: whatever is complete is whole, what was
/// acknowledged is there, the newest is found, doing it again works, and a prune leaves no litter.
/// </summary>
public sealed class CrashPointTests
{
    /// <summary>
    /// What a process was about: its work, the steps that must be there whatever happens, and those that the work may take away.
    /// </summary>
    public sealed record Work(string Name, Func<ObjectStore, Task> Run, long[] Stays, long[] MayGo)
    {
        public override string ToString() => Name;
    }

    static RetentionRule Rule(int keepLast) => new() { KeepLast = keepLast, Grace = TimeSpan.Zero };

    public static TheoryData<string> Names => [.. Works.Select(work => work.Name)];

    static readonly Work[] Works =
    [
        new("save", store => SaveAsync(store, 30).AsTask(), [10, 20], []),
        new("compressed save", store => SaveAsync(store, 30, level: 3).AsTask(), [10, 20], []),
        new("save the same step again", store => SaveAsync(store, 20).AsTask(), [10, 20], []),
        new("delete the newest", store => CheckpointDelete.OfStepAsync(store, 20, None).AsTask(), [10], [20]),
        new("delete the oldest", store => CheckpointDelete.OfStepAsync(store, 10, None).AsTask(), [20], [10]),
        new("prune", store => Retention.RunAsync(store, Rule(1), NoProgress.Instance, None).AsTask(), [20], [10]),
        new("save and prune", async store =>
        {
            await SaveAsync(store, 30);
            await Retention.RunAsync(store, Rule(2), NoProgress.Instance, None);
            await SaveAsync(store, 40);
        }, [], [10, 20]),
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Crash_AtEveryCall_LeavesWholeCheckpointsOnly(string name)
    {
        var work = Works.Single(one => one.Name == name);
        foreach (bool after in (bool[])[false, true])
        {
            int point = 0;
            for (bool crashed = true; crashed; point++)
            {
                var store = NewStore();
                await SaveAsync(store, 10);
                await SaveAsync(store, 20);
                // what an earlier crash left
                await PutShardAsync(store, 25, 0, await SaveClaim.AgreeAsync(store, 25, null, null, None));
                var dying = new CrashingStore(store, point, after);
                try
                {
                    await work.Run(dying);
                }
                catch (Exception) when (dying.HasCrashed)
                {
                    // as it should be
                }
                crashed = dying.HasCrashed;
                await CheckAsync(store, work, $"{name}, call {point}, {(after ? "after" : "before")}");
                await work.Run(store);
                await CheckAsync(store, work, $"{name}, call {point}, again");
                await Retention.RunAsync(store, Rule(100), NoProgress.Instance, None);
                await Retention.RunAsync(store, Rule(100), NoProgress.Instance, None);
                await CheckAsync(store, work, $"{name}, call {point}, pruned");
                var catalog = await CheckpointCatalog.ReadAllAsync(store, null, None);
                var needed = catalog.Complete.SelectMany(
                    found => found.Manifest.Shards).Select(shard => shard.Key).Order(StringComparer.Ordinal);
                Assert.Equal(needed, (await KeysAsync(store, "shards/")).Order(StringComparer.Ordinal));
                Assert.Empty(await KeysAsync(store, "saves/"));
                Assert.True(point < 1000);
            }
            Assert.True(point > 5, $"only {point} calls");
        }
    }

    static async Task CheckAsync(ObjectStore store, Work work, string where)
    {
        long[] steps = await StepsThatAreWholeAsync(store);
        foreach (long step in work.Stays)
            Assert.True(steps.Contains(step), $"{where}: step {step} is lost");
        var (newest, skipped) = await CheckpointCatalog.NewestAsync(store, None);
        Assert.True(newest?.Manifest.Step == steps.Max(),
            $"{where}: the newest of {string.Join(' ', steps)} is said to be {newest?.Manifest.Step}");
        Assert.Empty(skipped);
    }

    /// <summary>
    /// The prefix guarantee: when a checkpoint is reported, every one reported before it is whole, though the writer died in each of its
    /// saves.
    /// </summary>
    [Fact]
    public async Task Crash_InEachSaveOfASeries_KeepsAllBefore()
    {
        var store = NewStore();
        var reported = new HashSet<long>();
        for (int i = 0; i < 60; i++)
        {
            var dying = new CrashingStore(store, (i * 7) % 60, after: i % 2 == 0);
            try
            {
                await SaveAsync(dying, i);
                reported.Add(i);
            }
            catch (Exception) when (dying.HasCrashed)
            {
                // not reported
            }
            long[] steps = await StepsThatAreWholeAsync(store);
            Assert.Empty(reported.Except(steps));
        }
        Assert.InRange(reported.Count, 1, 59);
    }
}
