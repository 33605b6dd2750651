using S3dlio.Cache;
using S3dlio.Storage;
using S3dlio.Tests.Storage;
using Xunit;

namespace S3dlio.Tests.Cache;

/// <summary>A store behind a cache obeys the contract of a store, however the cache is set.</summary>
public abstract class HybridConformance : StoreConformance
{
    readonly TemporaryDirectory _cache = new();

    protected HybridConformance(ObjectStore backing, CacheOptions? options = null) =>
        Store = new HybridStore(backing, (options ?? Quick) with { Directory = _cache["cache"] });

    // room for some of the objects. An object of several blocks that is written while it is read is refused (If-Match); calls begin such
    // reads anew, and the suite's own reader does not
    protected static CacheOptions Quick { get; } = new()
    {
        Directory = "",
        BlockSize = 1 << 20,
        Size = 12 << 20,
        Validate = CacheValidate.Never,
    };

    protected static CacheOptions Careful { get; } = new() { Directory = "", MinFree = 0 };

    protected static CacheOptions Through { get; } = new()
    {
        Directory = "",
        BlockSize = 1 << 20,
        Size = 64 << 20,
        Mode = CacheMode.Through,
        Validate = CacheValidate.Ttl,
    };

    /// <summary>Writes wait in the journal; the sender is at work beside the test.</summary>
    protected static CacheOptions Back { get; } = new()
    {
        Directory = "",
        BlockSize = 1 << 20,
        Size = 64 << 20,
        Mode = CacheMode.Back,
        Validate = CacheValidate.Ttl,
        MinFree = 0,
    };

    protected override ObjectStore Store { get; }

    protected ObjectStore Backing => ((HybridStore)Store).Backing;

    public override async Task DisposeAsync()
    {
        var left = await ((HybridStore)Store).FlushAsync("", null, null, None);
        CacheScene.Settle();
        Assert.Empty(Directory.EnumerateFiles(_cache["cache/tmp"]));
        _cache.Delete();
        Assert.All(left.Writes, write => Assert.Fail($"{write.Uri} is left: {write.Error?.Message}"));
    }

    protected static ObjectStore Memory() => StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}/below"), StoreOptions.Default);
}

public class HybridMemoryTests() : HybridConformance(Memory());

public class HybridMemoryAlwaysTests() : HybridConformance(Memory(), Careful);

public class HybridMemoryThroughTests() : HybridConformance(Memory(), Through);

public class HybridMemoryBackTests() : HybridConformance(Memory(), Back);

public abstract class HybridFiles : HybridConformance
{
    readonly TemporaryDirectory _files;

    protected HybridFiles(CacheOptions options)
        : this(new TemporaryDirectory(), options)
    {
    }

    HybridFiles(TemporaryDirectory files, CacheOptions options)
        : base(StoreFactory.Open(StoreUri.Parse($"file://{files["root"]}"), StoreOptions.Default), options) => _files = files;

    protected override int ManyEntries => 1000;

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        Assert.Empty(Directory.EnumerateFiles(_files.Path, ".s3dlio-*", SearchOption.AllDirectories));
        _files.Delete();
    }
}

public class HybridFileTests() : HybridFiles(Quick);

public class HybridFileAlwaysTests() : HybridFiles(Careful);

public class HybridFileThroughTests() : HybridFiles(Through);

public class HybridFileBackTests() : HybridFiles(Back);

public abstract class HybridServer(string server, CacheOptions options) : HybridConformance(Open(server), options)
{
    protected override int ManyEntries => 1200;

    protected override bool DeletesMarkers => true;

    public override Task InitializeAsync() => CreateContainer(server);

    internal static async Task CreateContainer(string server)
    {
        var address = StoreUri.Parse(NeedsServerAttribute.Variable(server, "URI")!);
        var settings = StoreOptions.Parse(NeedsServerAttribute.Variable(server, "OPTIONS") ?? "", address.ToString());
        await StoreFactory.OpenContainers(address, settings).CreateAsync(address.Container.Split('/')[^1], None);
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await foreach (var page in Backing.ListAsync("", ListOptions.Default, None))
            await Backing.DeleteAsync([.. page.Objects.Select(found => found.Key)], None);
    }

    internal static ObjectStore Open(string server)
    {
        string address = NeedsServerAttribute.Variable(server, "URI")!;
        return StoreFactory.Open(
            StoreUri.Parse($"{address.TrimEnd('/')}/{Guid.NewGuid():n}"),
                StoreOptions.Parse(NeedsServerAttribute.Variable(server, "OPTIONS") ?? "", address));
    }
}

[NeedsServer("S3")]
public class HybridS3Tests() : HybridServer("S3", Quick);

[NeedsServer("S3")]
public class HybridS3AlwaysTests() : HybridServer("S3", Careful);

[NeedsServer("S3")]
public class HybridS3ThroughTests() : HybridServer("S3", Through);

[NeedsServer("S3")]
public class HybridS3BackTests() : HybridServer("S3", Back);

public abstract class HybridAzure(CacheOptions options) : HybridServer("AZURE", options)
{
    // the service would keep these under other names
    protected override bool Holds(string key) => HoldsKey(key);

    internal static bool HoldsKey(string key) =>
        !key.Contains('\\', StringComparison.Ordinal) && !key.Contains('\n', StringComparison.Ordinal) && !key.EndsWith('.');
}

[NeedsServer("AZURE")]
public class HybridAzureTests() : HybridAzure(Quick);

[NeedsServer("AZURE")]
public class HybridAzureAlwaysTests() : HybridAzure(Careful);

[NeedsServer("AZURE")]
public class HybridAzureThroughTests() : HybridAzure(Through);

[NeedsServer("AZURE")]
public class HybridAzureBackTests() : HybridAzure(Back);
