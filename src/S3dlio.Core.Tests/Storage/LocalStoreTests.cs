using S3dlio.Storage;
using S3dlio.Storage.Local;
using Xunit;

namespace S3dlio.Tests.Storage;

/// <summary>A store in a directory of the test's own that must be free of unfinished files afterwards.</summary>
public abstract class FileConformance : StoreConformance
{
    readonly TemporaryDirectory _directory = new();

    protected string DirectoryPath => _directory.Path;

    public override Task DisposeAsync()
    {
        Assert.Empty(Directory.EnumerateFiles(_directory.Path, ".s3dlio-*", SearchOption.AllDirectories));
        _directory.Delete();
        return Task.CompletedTask;
    }
}

public class LocalStoreTests : FileConformance
{
    // the store's directory is made by the first write
    protected override ObjectStore Store => StoreFactory.Open(StoreUri.Parse($"file://{DirectoryPath}/root"), StoreOptions.Default);
}

/// <summary>Files below a prefix, which no address opens but wrappers may.</summary>
public class LocalPrefixTests : FileConformance
{
    protected override ObjectStore Store =>
        new PrefixStore(StoreFactory.Open(StoreUri.Parse($"file://{DirectoryPath}"), StoreOptions.Default), "root/some");
}

public class DurableStoreTests : FileConformance
{
    protected override ObjectStore Store =>
        StoreFactory.Open(StoreUri.Parse($"file://{DirectoryPath}/root"), StoreOptions.Default with { Durable = true });

    // two flushes each
    protected override int ManyEntries => 60;
}

public class DirectStoreTests : FileConformance
{
    protected override ObjectStore Store => StoreFactory.Open(StoreUri.Parse($"direct://{DirectoryPath}/root"), StoreOptions.Default);

    protected override int ManyEntries => 300;
}

/// <summary>direct:// where O_DIRECT is refused and the fallback is on: the same contract through the page cache.</summary>
public class DirectFallbackTests : FileConformance
{
    protected override ObjectStore Store =>
        new LocalStore(StoreUri.Parse($"direct://{DirectoryPath}"), StoreOptions.Default with { DirectFallback = true })
        {
            DirectIsRefused = true
        };

    protected override int ManyEntries => 60;
}
