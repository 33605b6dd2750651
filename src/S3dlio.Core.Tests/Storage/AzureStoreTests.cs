using S3dlio.Storage;

namespace S3dlio.Tests.Storage;

/// <summary>
/// The contract on a real Blob service, each test below a prefix of its own: <c>S3DLIO_TEST_AZURE_URI</c> is an address such as
/// <c>az://devstoreaccount1/conformance</c>, <c>S3DLIO_TEST_AZURE_OPTIONS</c> the options as JSON.
/// </summary>
[NeedsVariable("S3DLIO_TEST_AZURE_URI")]
public class AzureStoreTests : StoreConformance
{
    readonly StoreUri _root = StoreUri.Parse(AzureServer.Uri);

    public AzureStoreTests() => Store = AzureServer.Open(_root, Guid.NewGuid().ToString("n"), Change);

    protected override ObjectStore Store { get; }

    protected override int ManyEntries => 2100;

    protected virtual string Change => "{}";

    // the service would keep these under other names
    protected override bool Holds(string key) => !key.Contains('\\', StringComparison.Ordinal) && !key.Contains('\n', StringComparison.Ordinal) && !key.EndsWith('.');

    public override async Task InitializeAsync() => await AzureServer.MakeContainerAsync(_root);
}

/// <summary>Small parts, so that everything goes in blocks and comes in many ranges.</summary>
[NeedsVariable("S3DLIO_TEST_AZURE_URI")]
public sealed class AzureSmallPartsTests : AzureStoreTests
{
    protected override int ManyEntries => 100;

    protected override string Change => """{"part_size": 1048576, "max_in_flight": 6, "memory_limit": 4194304, "transfer_check": "none"}""";
}
