using System.Runtime.CompilerServices;
using S3dlio.Storage.Remote;
using Xunit;

namespace S3dlio.Tests.Storage.Remote;

public class SharedClientsTests
{
    [Fact]
    public void Get_SameConfiguration_IsTheSameClientWhileItIsUsed()
    {
        var clients = new SharedClients<string, object>();
        object first = clients.Get("a", () => new object());
        GC.Collect();
        Assert.Same(first, clients.Get("a", () => new object()));
        Assert.NotSame(first, clients.Get("b", () => new object()));
        GC.KeepAlive(first);
    }

    [Fact]
    public void Get_ConfigurationsThatChange_GoWhenNobodyUsesThem()
    {
        var clients = new SharedClients<string, object>();
        object used = clients.Get("used", () => new object());
        for (int i = 0; i < 50; i++)
        {
            Use(clients, i * 100);
            GC.Collect();
        }
        Assert.InRange(clients.Count, 1, 400);
        Assert.Same(used, clients.Get("used", () => new object()));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Use(SharedClients<string, object> clients, int from)
    {
        for (int i = from; i < from + 100; i++)
            clients.Get($"token {i}", () => new object());
    }
}
