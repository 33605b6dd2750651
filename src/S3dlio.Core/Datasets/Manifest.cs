using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Datasets;

/// <summary>An object of a manifest.</summary>
/// <param name="Uri">Its address.</param>
/// <param name="Base">Which of the manifest's bases it lies below.</param>
/// <param name="Key">Its key below that.</param>
/// <param name="Size">Bytes of it; null where nobody asked.</param>
/// <param name="Tag">Stands for its ETag: <see cref="Manifest.TagOf"/>; null where none is known.</param>
/// <param name="Checksum">CRC32C of its bytes; null where none is known.</param>
public readonly record struct ManifestEntry(string Uri, int Base, string Key, long? Size, UInt128? Tag, Checksum? Checksum)
{
    /// <summary>
    /// Whether what a listing tells of the object can be compared with all that is known here. The same ETag means the same bytes, so a
    /// checksum need not be listed beside it.
    /// </summary>
    public bool CanBeJudgedBy(ObjectMeta listed) =>
        Tag is not null ? !string.IsNullOrEmpty(listed.ETag) : Checksum is null || listed.Checksum is not null;

    /// <summary>What the store says otherwise of it, in words; null where it is the same as far as both know.</summary>
    public string? Difference(ObjectMeta now)
    {
        if (Size is { } size && size != now.Size)
            return $"{now.Size} bytes, {size} when the manifest was made";
        if (Checksum is { } expected && now.Checksum is { } found && expected != found)
            return $"{found} is recorded, {expected} when the manifest was made";
        return Tag is { } tag && now.ETag is not null && Manifest.TagOf(now.ETag) != tag ? "it was written anew: another ETag" : null;
    }
}

/// <summary>The objects of a data set in a file; any number of them in flat memory.</summary>
public sealed class Manifest : IAsyncDisposable
{
    public const string Kind = "manifest";

    const int EntriesAtOnce = 1 << 14;

    readonly SectionFile _file;
    readonly Section _keys, _starts;
    readonly Section? _sizes, _tags, _checksums, _known, _baseOf;

    Manifest(SectionFile file)
    {
        (_file, Bases) = (file, [.. BasesOf(file)]);
        Count = file.Fields.Integer("samples", 1, long.MaxValue / 16);
        Created = file.Fields.FindText("created");
        _keys = file.Find("keys") ?? throw file.Fields.Fault("expected a section 'keys', found none");
        _starts = Array("starts", "u64", 8, Count + 1) ?? throw file.Fields.Fault("expected a section 'starts', found none");
        _sizes = Array("sizes", "i64", 8, Count);
        _tags = Array("etags", "u8", 16, Count);
        _checksums = Array("crc32c", "u32", 4, Count);
        _known = Array("known", "u8", 1, Count);
        _baseOf = file.Find("root_of") is not { } bases ? null : Array("root_of", bases.Type, bases.Type == "u8" ? 1 : 8, Count);
    }

    public string Uri => _file.Uri;

    /// <summary>Bytes of the file.</summary>
    public long Size => _file.Size;

    /// <summary>How many objects it has.</summary>
    public long Count { get; }

    /// <summary>Addresses below which they lie.</summary>
    public IReadOnlyList<string> Bases { get; }

    /// <summary>When it was made, as text.</summary>
    public string? Created { get; }

    public IReadOnlyList<Section> Sections => _file.Sections;

    /// <exception cref="StoreException">NotFound; InvalidData: it is none; ChecksumMismatch: its header is damaged.</exception>
    public static async ValueTask<Manifest> OpenAsync(ObjectStore store, string key, CancellationToken cancel)
    {
        var file = await SectionFile.OpenAsync(store, key, Kind, cancel).ConfigureAwait(false);
        try
        {
            return new Manifest(file);
        }
        catch
        {
            await file.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>An ETag in 16 bytes: the MD5 that it is, or the first half of its text's SHA-256; 0 for none.</summary>
    public static UInt128 TagOf(string? etag)
    {
        string text = (etag ?? "").Trim('"');
        if (text.Length == 0)
            return 0;
        Span<byte> bytes = stackalloc byte[SHA256.HashSizeInBytes];
        if (text.Length != 32 || Convert.FromHexString(text, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
            SHA256.HashData(Encoding.UTF8.GetBytes(text), bytes);
        return BinaryPrimitives.ReadUInt128LittleEndian(bytes);
    }

    /// <summary>Reads the whole file and compares it with its checksums.</summary>
    public ValueTask<IReadOnlyList<SectionDamage>> CheckAsync(CancellationToken cancel) => _file.CheckAsync(cancel);

    /// <summary>All objects in order; sections that were not checked are believed.</summary>
    /// <exception cref="StoreException">InvalidData: arrays that contradict each other.</exception>
    public async IAsyncEnumerable<ManifestEntry> EntriesAsync([EnumeratorCancellation] CancellationToken cancel)
    {
        byte[] keys = [];
        for (long first = 0; first < Count; first += EntriesAtOnce)
        {
            int count = (int)Math.Min(EntriesAtOnce, Count - first);
            byte[] starts = await PartAsync(_starts, 8, first, count + 1, cancel).ConfigureAwait(false);
            byte[]? sizes = await PartAsync(_sizes, 8, first, count, cancel).ConfigureAwait(false);
            byte[]? tags = await PartAsync(_tags, 16, first, count, cancel).ConfigureAwait(false);
            byte[]? checksums = await PartAsync(_checksums, 4, first, count, cancel).ConfigureAwait(false);
            byte[]? known = await PartAsync(_known, 1, first, count, cancel).ConfigureAwait(false);
            byte[]? baseOf = await PartAsync(_baseOf, _baseOf?.Type == "u8" ? 1 : 8, first, count, cancel).ConfigureAwait(false);
            ulong begin = At<ulong>(starts, 0), end = At<ulong>(starts, count);
            if (begin > end || end > (ulong)_keys.Length || end - begin > int.MaxValue)
                throw Fault("the names of the manifest overlap");
            keys = new byte[end - begin];
            await _file.ReadAsync(_keys, (long)begin, keys, cancel).ConfigureAwait(false);
            for (int i = 0; i < count; i++)
            {
                ulong from = At<ulong>(starts, i), to = At<ulong>(starts, i + 1);
                long of = baseOf is null ? 0 : _baseOf?.Type == "u8" ? baseOf[i] : At<long>(baseOf, i);
                long? size = sizes is null ? null : At<long>(sizes, i);
                if (from < begin || from > to || to > end || of < 0 || of >= Bases.Count || size < 0)
                    throw Fault($"object {first + i} has a name, size or base that cannot be");
                string key = PathText.Decode(keys.AsSpan((int)(from - begin), (int)(to - from)));
                UInt128? tag = tags is null ? null : BinaryPrimitives.ReadUInt128LittleEndian(tags.AsSpan(16 * i));
                bool has = checksums is not null && (known is null || known[i] != 0);
                yield return new ManifestEntry(
                    Bases[(int)of] + key, (int)of, key, size, tag == 0 ? null : tag, has ? new Checksum(At<uint>(checksums!, i)) : null);
            }
        }
    }

    async ValueTask<byte[]> PartAsync(Section section, int width, long first, int count, CancellationToken cancel)
    {
        byte[] found = GC.AllocateUninitializedArray<byte>(width * count);
        await _file.ReadAsync(section, width * first, found, cancel).ConfigureAwait(false);
        return found;
    }

    async ValueTask<byte[]?> PartAsync(Section? section, int width, long first, int count, CancellationToken cancel) =>
        section is { } one ? await PartAsync(one, width, first, count, cancel).ConfigureAwait(false) : null;

    static T At<T>(byte[] array, int index)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(array)[index];

    StoreException Fault(string what) => StoreException.InvalidData(Uri, $"{what}: it is damaged; make it again");

    Section? Array(string name, string type, int width, long count)
    {
        if (_file.Find(name) is not { } found)
            return null;
        return found.Type == type && found.Length == width * count
            ? found
            : throw _file.Fields.Fault($"expected {count} elements of type {type} in the section '{name}', found {found.Length} bytes");
    }

    static IEnumerable<string> BasesOf(SectionFile file)
    {
        var all = file.Fields.Array("bases", 1 << 16);
        if (!all.Any())
            throw file.Fields.Fault("expected at least one base, found none");
        foreach (var one in all)
        {
            string? text;
            try
            {
                text = StrictJson.Text(one);
            }
            catch (StrictJsonException)
            {
                throw file.Fields.Wrong("bases", "addresses of valid Unicode", one);
            }
            yield return text;
        }
    }

    public ValueTask DisposeAsync() => _file.DisposeAsync();
}
