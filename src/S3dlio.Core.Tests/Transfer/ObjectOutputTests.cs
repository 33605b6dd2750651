using S3dlio.Storage;
using S3dlio.Storage.Memory;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Tests.Transfer;

public sealed class ObjectOutputTests
{
    static readonly CancellationToken None = CancellationToken.None;

    /// <summary>Memory takes pieces of 64 MiB, so the second of these is never begun with.</summary>
    [Theory]
    [InlineData(null)]
    [InlineData(1)]
    public async Task Write_CancelledBetweenTwoPieces_CannotBeCompleted(int? level)
    {
        var store = new MemoryStore(StoreUri.Parse($"memory://{Guid.NewGuid()}/"));
        await using var output = await ObjectOutput.OpenAsync(store, "x", level, PutOptions.Default, None);
        using var stop = new CancellationTokenSource();
        var data = LargeMemory.From(new byte[(64 << 20) + 1].AsMemory());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => output.WriteAsync(data, new CancelAtFirst(stop), stop.Token).AsTask());
        await CannotBeCompleted(output);
        Assert.Equal(ErrorKind.NotFound, (await Assert.ThrowsAsync<StoreException>(() => store.HeadAsync(output.Key, None).AsTask())).Kind);
    }

    [Fact]
    public async Task Write_CancelledBeforeItBegins_CannotBeCompleted()
    {
        var store = new MemoryStore(StoreUri.Parse($"memory://{Guid.NewGuid()}/"));
        await using var output = await ObjectOutput.OpenAsync(store, "x", null, PutOptions.Default, None);
        var data = LargeMemory.From(new byte[3].AsMemory());
        await output.WriteAsync(data, null, None);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => output.WriteAsync(data, null, new CancellationToken(true)).AsTask());
        await CannotBeCompleted(output);
    }

    static async Task CannotBeCompleted(ObjectOutput output)
    {
        var error = await Assert.ThrowsAsync<StoreException>(() => output.CompleteAsync(None).AsTask());
        Assert.Equal(ErrorKind.Closed, error.Kind);
        Assert.Contains("failed or was cancelled", error.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StoreException>(() => output.WriteAsync(LargeMemory.From(new byte[1].AsMemory()), null, None).AsTask());
    }

    sealed class CancelAtFirst(CancellationTokenSource stop) : IProgress<long>
    {
        public void Report(long value) => stop.Cancel();
    }
}
