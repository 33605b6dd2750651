using System.Text;
using S3dlio.Checkpoint;
using S3dlio.Storage;
using Xunit;
using static S3dlio.Tests.Checkpoint.CheckpointScene;

namespace S3dlio.Tests.Checkpoint;

public sealed class SaveClaimTests
{
    static ValueTask<AgreedSave> AgreeAsync(ObjectStore store, long step, string? run = null) =>
        SaveClaim.AgreeAsync(store, step, null, run, None);

    [Fact]
    public async Task Agree_ManyAtOnce_GetOneId()
    {
        var store = NewStore();
        var found = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Run(async () => await AgreeAsync(store, 1))));
        Assert.Single(found.Select(save => save.SaveId).Distinct());
    }

    [Fact]
    public async Task Agree_EachStepAndRun_HasItsOwn()
    {
        var store = NewStore();
        string[] ids = [
            (await AgreeAsync(store, 1)).SaveId, (await AgreeAsync(store, 10)).SaveId, (await AgreeAsync(store, 1, "a")).SaveId,
            (await AgreeAsync(store, 1, "b")).SaveId];
        Assert.Equal(4, ids.Distinct().Count());
        Assert.Equal(ids[0], (await AgreeAsync(store, 1)).SaveId);
        Assert.Equal(ids[2], (await AgreeAsync(store, 1, "a")).SaveId);
    }

    [Fact]
    public async Task Agree_AfterACommitOrADelete_GetsAnotherId()
    {
        var store = NewStore();
        var first = await SaveAsync(store, 1);
        string second = (await AgreeAsync(store, 1)).SaveId;
        Assert.NotEqual(first.Manifest.SaveId, second);
        await CommitAsync(store, 1, [await PutShardAsync(store, 1, 0, await AgreeAsync(store, 1))]);
        await CheckpointDelete.OfStepAsync(store, 1, None);
        Assert.DoesNotContain((await AgreeAsync(store, 1)).SaveId, new[] { first.Manifest.SaveId, second });
    }

    /// <summary>
    /// The rank looked at the claim, then the checkpoint was deleted, claim first; what the rank sees next must not be taken for a free id.
    /// </summary>
    [Fact]
    public async Task Agree_BesideADelete_NeverGetsTheDeletedId()
    {
        var store = NewStore();
        string id = (await AgreeAsync(store, 1)).SaveId;
        await PutAsync(store, CheckpointLayout.ManifestKey(1, id), Encoding.UTF8.GetBytes("{}"));
        for (int point = 0; point < 6; point++)
        {
            var dying = new CrashingStore(store, point, after: true);
            try
            {
                await AgreeAsync(dying, 1);
            }
            catch (CrashException)
            {
                // its view of the store ends here; the delete goes on
            }
        }
        await SaveClaim.WithdrawAsync(store, 1, id, None);
        await store.DeleteAsync([CheckpointLayout.ManifestKey(1, id)], None);
        Assert.NotEqual(id, (await AgreeAsync(store, 1)).SaveId);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("nonsense")]
    [InlineData("""{"global_step":1,"save_id":"../x"}""")]
    [InlineData("""{"global_step":2,"save_id":"another-step"}""")]
    public async Task Agree_DamagedClaim_IsReplaced(string text)
    {
        var store = NewStore();
        await PutAsync(store, CheckpointLayout.ClaimKey(1, null), Encoding.UTF8.GetBytes(text));
        var agreed = await AgreeAsync(store, 1);
        Assert.True(SaveId.IsValid(agreed.SaveId) && agreed.SaveId != "another-step");
        Assert.Equal(agreed, await AgreeAsync(store, 1));
    }

    [Fact]
    public void New_Ids_BeginWithTheirTime()
    {
        var now = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero).AddMicroseconds(6);
        string id = SaveId.New(now);
        Assert.StartsWith("20260102-030405-000006-", id, StringComparison.Ordinal);
        Assert.True(SaveId.IsValid(id) && SaveId.New(now) != id);
        Assert.Equal(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero), SaveId.FindTime(id));
        Assert.Null(SaveId.FindTime("job-5"));
    }
}
