using S3dlio.Storage;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>Several endpoints obey the contract of one store.</summary>
public abstract class MultiConformance : StoreConformance
{
    readonly string[] _addresses;

    protected MultiConformance(string[] addresses, string options)
    {
        _addresses = addresses;
        string list = string.Join(',', addresses.Select(address => $"\"{address}\""));
        Store = StoreFactory.Open(StoreUri.Parse(addresses[0]), StoreOptions.Parse($$"""{"endpoints":[{{list}}]{{options}}}""", addresses[0]));
    }

    protected override ObjectStore Store { get; }

    // each endpoint names objects by its own address, which says where to look
    protected override IEnumerable<string> Names(string key) => _addresses.Select(address => StoreUri.Parse(address).Child(key));

    protected static string[] Memories(int count) => [.. Enumerable.Range(0, count).Select(_ => $"memory://{Guid.NewGuid():n}/p/")];
}

public class MultiMemoryTests() : MultiConformance(Memories(2), "");

public class MultiLeastConnectionsTests() : MultiConformance(Memories(3), ""","strategy":"least_connections" """);

public class MultiReplicasTests() : MultiConformance([.. Enumerable.Repeat(Memories(1)[0], 2)], ""","replicas":true""");

public sealed class MultiFileTests : MultiConformance
{
    readonly TemporaryDirectory _first, _second;

    public MultiFileTests()
        : this(new TemporaryDirectory(), new TemporaryDirectory())
    {
    }

    MultiFileTests(TemporaryDirectory first, TemporaryDirectory second)
        : base([$"file://{first.Path}", $"file://{second.Path}"], "") => (_first, _second) = (first, second);

    public override Task DisposeAsync()
    {
        foreach (var directory in (TemporaryDirectory[])[_first, _second])
        {
            Assert.Empty(Directory.EnumerateFiles(directory.Path, ".s3dlio-*", SearchOption.AllDirectories));
            directory.Delete();
        }
        return Task.CompletedTask;
    }
}
