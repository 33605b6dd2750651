using S3dlio.Storage;

namespace S3dlio.Tests.Storage;

public class MemoryStoreTests : StoreConformance
{
    protected override ObjectStore Store { get; } = StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid():n}"), StoreOptions.Default);
}

/// <summary>A store below a prefix obeys the same contract.</summary>
public class PrefixStoreTests : StoreConformance
{
    protected override ObjectStore Store { get; } = StoreFactory.Open(
        StoreUri.Parse($"memory://{Guid.NewGuid():n}/some/prefix"), StoreOptions.Default);
}
