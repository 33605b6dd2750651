using S3dlio.Storage.Remote;
using Xunit;

namespace S3dlio.Tests.Storage.Remote;

public class InFlightTests
{
    [Fact]
    public async Task Enter_MoreThanFit_WaitTheirTurnInOrder()
    {
        var gate = new InFlight(2, 100);
        var first = await gate.EnterAsync(1, 60, CancellationToken.None);
        var large = gate.EnterAsync(1, 60, CancellationToken.None).AsTask();
        var small = gate.EnterAsync(1, 1, CancellationToken.None).AsTask();
        Assert.False(large.IsCompleted || small.IsCompleted);
        Assert.False(gate.TryEnter(0, 1, out _));
        first.Dispose();
        using var a = await large;
        using var b = await small;
    }

    [Fact]
    public async Task Enter_CancelledWaiter_LetsTheNextIn()
    {
        var gate = new InFlight(1, 100);
        var first = await gate.EnterAsync(1, 0, CancellationToken.None);
        using var cancel = new CancellationTokenSource();
        var second = gate.EnterAsync(1, 0, cancel.Token).AsTask();
        var third = gate.EnterAsync(1, 0, CancellationToken.None).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        first.Dispose();
        (await third).Dispose();
        (await gate.EnterAsync(1, 1000, CancellationToken.None)).Dispose();
    }
}
