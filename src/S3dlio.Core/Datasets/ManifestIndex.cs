using System.Globalization;
using System.Text.RegularExpressions;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Datasets;

/// <summary>Which checksums a manifest gets.</summary>
public enum IndexChecksums
{
    /// <summary>None.</summary>
    None,
    /// <summary>The CRC32C that the store has recorded with each object: a request each where the listing does not tell it.</summary>
    Recorded,
    /// <summary>Every object is read.</summary>
    Read,
}

/// <summary>What a manifest is made of.</summary>
public sealed record IndexOptions
{
    /// <summary>Everything below the path; otherwise one level.</summary>
    public bool Recursive { get; init; } = true;

    /// <summary>For the part of a key below the path.</summary>
    public Regex? Pattern { get; init; }

    /// <summary>Whether an object is taken, by its key below the path.</summary>
    public Func<string, ObjectMeta, bool>? Wanted { get; init; }

    public IndexChecksums Checksums { get; init; }

    /// <summary>Objects that are asked for or read at once.</summary>
    public int InFlight { get; init; } = 64;

    /// <summary>Files are named by URIs, not by paths.</summary>
    public bool NamesUris { get; init; }
}

/// <summary>Lists objects and writes a manifest of them.</summary>
public static class ManifestIndex
{
    const int WindowLength = 8 << 20;

    /// <returns>How many objects it has.</returns>
    /// <exception cref="StoreException">NotFound: there is no such object.</exception>
    public static async Task<long> WriteAsync(
        ObjectStore store, string path, ObjectStore to, string key, IndexOptions options, ITransferProgress progress,
        CancellationToken cancel)
    {
        await ThreadSwitch.ToPoolAsync();
        var rows = new Rows(options.Checksums != IndexChecksums.None);
        string? folder = null;
        async IAsyncEnumerable<(int Number, ObjectMeta Meta)> Find()
        {
            var listing = ListOptions.Default with { Recursive = options.Recursive, Pattern = options.Pattern };
            string below = path.Trim('/').Length == 0 ? "" : path.TrimEnd('/') + "/";
            await foreach (var page in PathOperations.ListAsync(store, path, listing, cancel).ConfigureAwait(false))
            {
                foreach (var found in page.Objects)
                {
                    // what ends with a slash marks a folder
                    if (found.Key.EndsWith('/'))
                        continue;
                    bool isBelow = found.Key.StartsWith(below, StringComparison.Ordinal);
                    // the object of that very name comes first
                    folder ??= FolderOf(store, isBelow ? below : path[..(path.LastIndexOf('/') + 1)]);
                    string relative = found.Key[(isBelow ? below.Length : found.Key.LastIndexOf('/') + 1)..];
                    if (options.Wanted?.Invoke(relative, found) is false)
                        continue;
                    yield return (rows.Add(found.Key[folder.Length..], found), found);
                }
            }
        }
        if (options.Checksums == IndexChecksums.None)
        {
            await foreach (var _ in Find().ConfigureAwait(false))
                progress.Report(1);
        }
        else
        {
            StoreException? first = null;
            await Bulk.EachAsync(Find(), options.InFlight, store.RequestsAtOnce, async (item, stop) =>
            {
                if (await ChecksumAsync(store, item.Meta, options.Checksums, stop).ConfigureAwait(false) is { } checksum)
                    rows.Set(item.Number, checksum);
                progress.Report(1);
            }, static () => { }, error => Interlocked.CompareExchange(ref first, error, null), cancel).ConfigureAwait(false);
            if (first is not null)
                throw first;
        }
        if (rows.Count == 0)
            throw new StoreException(ErrorKind.NotFound, store.Root.Child(path), "no object there that is wanted; a data set needs one");
        string uri = store.Root.Child(folder!);
        const string file = "file://";
        string start = !options.NamesUris && uri.StartsWith(file, StringComparison.Ordinal) ? uri[file.Length..] : uri;
        await SectionFile.WriteAsync(to, key, Manifest.Kind, json =>
        {
            json.WriteNumber("samples", rows.Count);
            json.WriteStartArray("bases");
            json.WriteStringValue(start);
            json.WriteEndArray();
            json.WriteString("created", DateTime.UtcNow.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture));
        }, rows.Arrays(), cancel).ConfigureAwait(false);
        return rows.Count;
    }

    /// <summary>A folder that the header can name: of one whose name is no Unicode the part above it; keys are bytes.</summary>
    static string FolderOf(ObjectStore store, string folder)
    {
        int lone = PathText.FirstLone(folder);
        return store.Root.IsLocal && lone >= 0 ? folder[..(folder.LastIndexOf('/', lone) + 1)] : folder;
    }

    static async ValueTask<Checksum?> ChecksumAsync(ObjectStore store, ObjectMeta found, IndexChecksums how, CancellationToken cancel)
    {
        if (how == IndexChecksums.Recorded)
        {
            try
            {
                return found.Checksum ?? (await store.HeadAsync(found.Key, cancel).ConfigureAwait(false)).Checksum;
            }
            catch (StoreException error) when (error.Kind == ErrorKind.NotFound)
            {
                // it went after it was listed; who reads it will hear of that
                return null;
            }
        }
        var reader = await store.OpenReadAsync(found.Key, ReadOptions.Default, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            long size = reader.Meta.Size;
            if (size != found.Size)
                throw StoreException.InvalidData(
                    store.Root.Child(found.Key), $"{found.Size} bytes were listed, {size} are there: it is being written; index it again");
            var whole = Checksum.Empty;
            byte[] buffer = GC.AllocateUninitializedArray<byte>((int)Math.Min(WindowLength, size));
            for (long at = 0; at < size; at += buffer.Length)
            {
                var window = buffer.AsMemory(0, (int)Math.Min(buffer.Length, size - at));
                var part = await ParallelRead.ReadAsync(reader, at, LargeMemory.From(window), true, null, cancel).ConfigureAwait(false);
                whole = Checksum.Combine(whole, part, window.Length);
            }
            await ObjectRead.CompareAsync(reader, store.Root.Child(found.Key), whole, cancel).ConfigureAwait(false);
            return whole;
        }
    }

    /// <summary>The arrays while objects are found; checksums come in any order.</summary>
    sealed class Rows(bool withChecksums)
    {
        readonly SectionArray _keys = new("keys", "u8"), _starts = new("starts", "u64"), _sizes = new("sizes", "i64");
        readonly SectionArray _tags = new("etags", "u8");
        readonly List<Checksum?> _checksums = [];
        readonly Lock _gate = new();

        public int Count { get; private set; }

        public int Add(string key, ObjectMeta meta)
        {
            _starts.Append((ulong)_keys.Length);
            _keys.Append(PathText.Encode(key));
            _sizes.Append(meta.Size);
            _tags.Append(Manifest.TagOf(meta.ETag));
            if (withChecksums)
            {
                lock (_gate)
                    _checksums.Add(null);
            }
            return Count++;
        }

        public void Set(int number, Checksum checksum)
        {
            lock (_gate)
                _checksums[number] = checksum;
        }

        public List<SectionArray> Arrays()
        {
            _starts.Append((ulong)_keys.Length);
            List<SectionArray> all = [_keys, _starts, _sizes, _tags];
            if (withChecksums)
            {
                SectionArray values = new("crc32c", "u32"), known = new("known", "u8");
                foreach (var checksum in _checksums)
                {
                    values.Append(checksum?.Value ?? 0);
                    known.Append((byte)(checksum is null ? 0 : 1));
                }
                all.AddRange([values, known]);
            }
            return all;
        }
    }
}
