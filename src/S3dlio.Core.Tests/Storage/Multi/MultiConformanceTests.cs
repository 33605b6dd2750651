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
        Store = StoreFactory.Open(
            StoreUri.Parse(addresses[0]), StoreOptions.Parse($$"""{"endpoints":[{{list}}]{{options}}}""", addresses[0]));
    }

    protected override ObjectStore Store { get; }

    // each endpoint names objects by its own address, which says where to look
    protected override IEnumerable<string> Names(string key) => _addresses.Select(address => StoreUri.Parse(address).Child(key));

    protected static string[] Memories(int count) => [.. Enumerable.Range(0, count).Select(_ => $"memory://{Guid.NewGuid():n}/p/")];
}

public class MultiMemoryTests() : MultiConformance(Memories(2), "");

public class MultiLeastConnectionsTests() : MultiConformance(Memories(3), ""","strategy":"least_connections" """);

public class MultiReplicasTests() : MultiConformance([.. Enumerable.Repeat(Memories(1)[0], 2)], ""","replicas":true""");

public sealed class MultiFileTests() : MultiFiles("file", "");

public sealed class MultiFileReplicasTests() : MultiFiles("file", ""","replicas":true""", count: 1);

public sealed class MultiDirectTests() : MultiFiles("direct", "")
{
    protected override int ManyEntries => 300;
}

public abstract class MultiFiles : MultiConformance
{
    readonly TemporaryDirectory[] _directories;

    protected MultiFiles(string scheme, string options, int count = 2)
        : this(scheme, options, [.. Enumerable.Range(0, count).Select(_ => new TemporaryDirectory())])
    {
    }

    MultiFiles(string scheme, string options, TemporaryDirectory[] directories)
        : base([.. Enumerable.Range(0, 2).Select(i => $"{scheme}://{directories[i % directories.Length].Path}")], options) =>
        _directories = directories;

    public override Task DisposeAsync()
    {
        foreach (var directory in _directories)
        {
            Assert.Empty(Directory.EnumerateFiles(directory.Path, ".s3dlio-*", SearchOption.AllDirectories));
            directory.Delete();
        }
        return Task.CompletedTask;
    }
}

/// <summary>Two prefixes of a real server, or two ways to one.</summary>
public abstract class MultiServer(string server, int places, string options)
    : MultiConformance(Prefixes(server, places), options + Options(server))
{
    protected override int ManyEntries => 2500;

    protected override bool DeletesMarkers => true;

    public override async Task InitializeAsync()
    {
        var address = StoreUri.Parse(Address(server));
        var settings = StoreOptions.Parse(NeedsServerAttribute.Variable(server, "OPTIONS") ?? "", address.ToString());
        await StoreFactory.OpenContainers(address, settings).CreateAsync(address.Container.Split('/')[^1], None);
    }

    public override async Task DisposeAsync()
    {
        await foreach (var page in Store.ListAsync("", ListOptions.Default, None))
            await Store.DeleteAsync([.. page.Objects.Select(found => found.Key)], None);
    }

    static string Address(string server) => NeedsServerAttribute.Variable(server, "URI")!;

    static string[] Prefixes(string server, int places)
    {
        var mine = Guid.NewGuid();
        return [.. Enumerable.Range(0, 2).Select(i => $"{Address(server).TrimEnd('/')}/{mine:n}-{i % places}")];
    }

    static string Options(string server) =>
        NeedsServerAttribute.Variable(server, "OPTIONS") is { Length: > 2 } given ? "," + given.Trim()[1..^1] : "";
}

[NeedsServer("S3")]
public class MultiS3Tests() : MultiServer("S3", 2, "");

[NeedsServer("S3")]
public class MultiS3ReplicasTests() : MultiServer("S3", 1, ""","replicas":true""");

[NeedsServer("AZURE")]
public class MultiAzureTests() : MultiServer("AZURE", 2, "")
{
    // the service would keep these under other names
    protected override bool Holds(string key) =>
        !key.Contains('\\', StringComparison.Ordinal) && !key.Contains('\n', StringComparison.Ordinal) && !key.EndsWith('.');
}
