using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Transfer;
using Xunit;

namespace S3dlio.Datasets;

public sealed class ManifestTests
{
    static readonly CancellationToken None = CancellationToken.None;
    readonly ObjectStore _store = StoreFactory.Open(StoreUri.Parse($"memory://{Guid.NewGuid()}/"), StoreOptions.Parse("", "memory://"));

    [Theory]
    [InlineData(IndexChecksums.None)]
    [InlineData(IndexChecksums.Recorded)]
    [InlineData(IndexChecksums.Read)]
    public async Task WriteAsync_ThenEntries_AreTheObjectsThatAreThere(IndexChecksums checksums)
    {
        string[] keys = ["d/a.bin", "d/é/b.bin", "d/z"];
        foreach (string key in keys)
            await PutAsync(key, $"bytes of {key}");
        await PutAsync("dx/other", "no");
        Assert.Equal(3, await IndexAsync("d", new IndexOptions { Checksums = checksums }));
        await using var manifest = await Manifest.OpenAsync(_store, "m", None);
        Assert.Empty(await manifest.CheckAsync(None));
        Assert.Equal([_store.Root.Child("d/")], manifest.Bases);
        var entries = await EntriesAsync(manifest);
        Assert.Equal(["a.bin", "z", "é/b.bin"], entries.Select(static entry => entry.Key));
        foreach (var entry in entries)
        {
            var meta = await _store.HeadAsync("d/" + entry.Key, None);
            Assert.Equal(_store.Root.Child("d/" + entry.Key), entry.Uri);
            Assert.Equal(meta.Size, entry.Size);
            Assert.Equal(checksums == IndexChecksums.None ? null : meta.Checksum, entry.Checksum);
            Assert.Null(entry.Difference(meta));
        }
        await PutAsync("d/z", "other bytes of the very same kind");
        Assert.NotNull(entries[1].Difference(await _store.HeadAsync("d/z", None)));
    }

    [Fact]
    public async Task WriteAsync_ObjectAndWhatIsBelow_HaveOneBase()
    {
        await PutAsync("x/a", "1");
        await PutAsync("x/a/b", "2");
        Assert.Equal(2, await IndexAsync("x/a", new IndexOptions()));
        await using var manifest = await Manifest.OpenAsync(_store, "m", None);
        Assert.Equal([_store.Root.Child("x/a"), _store.Root.Child("x/a/b")], (await EntriesAsync(manifest)).Select(static one => one.Uri));
    }

    [Fact]
    public async Task WriteAsync_NothingThatIsWanted_IsNotFound()
    {
        await PutAsync("d/a", "1");
        var error = await Assert.ThrowsAsync<StoreException>(() => IndexAsync("d", new IndexOptions { Wanted = static (_, _) => false }));
        Assert.Equal(ErrorKind.NotFound, error.Kind);
        await Assert.ThrowsAsync<StoreException>(() => IndexAsync("none", new IndexOptions()));
    }

    [Fact]
    public async Task EntriesAsync_MoreThanAreReadAtOnce_AreAll()
    {
        var arrays = new SectionArray[] { new("keys", "u8"), new("starts", "u64"), new("sizes", "i64") };
        const int count = 40_000;
        for (int i = 0; i < count; i++)
        {
            arrays[1].Append((ulong)arrays[0].Length);
            arrays[0].Append(System.Text.Encoding.ASCII.GetBytes(new string('k', i % 50) + i));
            arrays[2].Append((long)i);
        }
        arrays[1].Append((ulong)arrays[0].Length);
        await SectionFile.WriteAsync(_store, "m", Manifest.Kind, static json =>
        {
            json.WriteNumber("samples", count);
            json.WriteStartArray("bases");
            json.WriteStringValue("memory://b/");
            json.WriteEndArray();
        }, arrays, None);
        await using var manifest = await Manifest.OpenAsync(_store, "m", None);
        int at = 0;
        await foreach (var entry in manifest.EntriesAsync(None))
        {
            Assert.Equal($"memory://b/{new string('k', at % 50)}{at}", entry.Uri);
            Assert.Equal(at++, entry.Size);
        }
        Assert.Equal(count, at);
    }

    [Fact]
    public async Task CheckAsync_FlippedBit_NamesTheSection()
    {
        await PutAsync("d/a", "1");
        await PutAsync("d/b", "2");
        await IndexAsync("d", new IndexOptions());
        byte[] whole = await ReadAsync("m");
        Section sizes;
        await using (var manifest = await Manifest.OpenAsync(_store, "m", None))
            sizes = manifest.Sections.Single(static section => section.Name == "sizes");
        whole[sizes.Begin] ^= 4;
        await _store.PutAsync("m", new Payload(whole), PutOptions.Default, null, None);
        await using var damaged = await Manifest.OpenAsync(_store, "m", None);
        Assert.Equal([sizes], (await damaged.CheckAsync(None)).Select(static one => one.Section));
        whole[20] ^= 4;
        await _store.PutAsync("m", new Payload(whole), PutOptions.Default, null, None);
        var error = await Assert.ThrowsAsync<StoreException>(async () => await Manifest.OpenAsync(_store, "m", None));
        Assert.Equal(ErrorKind.ChecksumMismatch, error.Kind);
    }

    [Fact]
    public async Task FindAsync_ObjectsOfAManifest_AreListedAndNotAskedFor()
    {
        var store = new Counted(_store);
        var keys = Enumerable.Range(0, 2500).Select(static i => $"d/{i:0000}").ToList();
        foreach (string key in keys)
            await PutAsync(key, key);
        await using var listed = new ListedEntries(store, "d/", None);
        foreach (string key in keys.Where(static key => key[^1] != '7'))
            Assert.Equal(key, (await listed.FindAsync(key))!.Key);
        Assert.Equal(3, store.Pages);
        // what comes out of order, or is not there, is not told of
        Assert.Null(await listed.FindAsync("d/0001"));
        Assert.Null(await listed.FindAsync("d/2499x"));
        await using var gaps = new ListedEntries(store, "d/", None);
        Assert.Null(await gaps.FindAsync("d/0000x"));
        Assert.NotNull(await gaps.FindAsync("d/0001"));
    }

    [Fact]
    public async Task FindAsync_ListingOfMostlyOthers_IsGivenUp()
    {
        var store = new Counted(_store);
        foreach (int i in Enumerable.Range(0, 20_000))
            await PutAsync($"d/{i:00000}", "");
        await using var listed = new ListedEntries(store, "d/", None);
        var found = new List<bool>();
        for (int i = 0; i < 20_000; i += 4000)
            found.Add(await listed.FindAsync($"d/{i:00000}") is not null);
        // four pages are free, and what was found pays for the fifth
        Assert.Equal([true, true, false, false, false], found);
        Assert.Equal(5, store.Pages);
    }

    [Fact]
    public void CanBeJudgedBy_WhatAListingTells_IsEnoughOrNot()
    {
        var entry = new ManifestEntry("memory://b/a", 0, "a", 1, Manifest.TagOf("tag"), new Checksum(1));
        var listed = new ObjectMeta { Key = "a", Size = 1, LastModified = default };
        Assert.False(entry.CanBeJudgedBy(listed));
        Assert.True(entry.CanBeJudgedBy(listed with { ETag = "tag" }));
        Assert.False((entry with { Tag = null }).CanBeJudgedBy(listed with { ETag = "tag" }));
        Assert.True((entry with { Tag = null }).CanBeJudgedBy(listed with { Checksum = new Checksum(2) }));
        Assert.True((entry with { Tag = null, Checksum = null }).CanBeJudgedBy(listed));
    }

    sealed class Counted(ObjectStore inner) : DelegatingStore
    {
        public int Pages { get; private set; }

        protected override ObjectStore Inner => inner;

        public override async IAsyncEnumerable<ListPage> ListAsync(
            string prefix, ListOptions options, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancel)
        {
            await foreach (var page in inner.ListAsync(prefix, options, cancel))
            {
                Pages++;
                yield return page;
            }
        }
    }

    [Fact]
    public void TagOf_TextsOfStores_AreSixteenBytes()
    {
        Assert.Equal(UInt128.Zero, Manifest.TagOf(null));
        Assert.Equal(UInt128.Zero, Manifest.TagOf("\"\""));
        // the bytes of the MD5 in their order
        Assert.Equal((UInt128)0x42, Manifest.TagOf("\"42000000000000000000000000000000\""));
        Assert.NotEqual(Manifest.TagOf("\"abc-3\""), Manifest.TagOf("\"abc-4\""));
    }

    Task<long> IndexAsync(string path, IndexOptions options) =>
        ManifestIndex.WriteAsync(_store, path, _store, "m", options, NoProgress.Instance, None);

    static async Task<List<ManifestEntry>> EntriesAsync(Manifest manifest)
    {
        var found = new List<ManifestEntry>();
        await foreach (var entry in manifest.EntriesAsync(None))
            found.Add(entry);
        return found;
    }

    async Task PutAsync(string key, string text) => await _store.PutAsync(
        key, new Payload(System.Text.Encoding.UTF8.GetBytes(text)), PutOptions.Default, null, None);

    async Task<byte[]> ReadAsync(string key)
    {
        byte[] found = [];
        await ObjectRead.WholeAsync(
            _store, key, size => LargeMemory.From((found = new byte[size]).AsMemory()), new Validation(null), NoProgress.Instance, None);
        return found;
    }
}
