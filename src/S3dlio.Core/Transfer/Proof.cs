using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Finds out what there is to compare an object's bytes with, and refuses those of which nothing is known where the caller insists.</summary>
static class Proof
{
    /// <summary>What the whole object is compared with beside the CRC32C that the caller gave or the store recorded; null for nothing else.</summary>
    public static async ValueTask<ReadCheck?> OfWholeAsync(ObjectReader reader, Validation validation, string uri, CancellationToken cancel)
    {
        if (validation.Foreign(reader.Meta) is { } foreign)
            return foreign;
        if (!validation.Required || validation.Compares(reader.Meta) || IsCheckedInside(reader))
            return null;
        return await BlocksAsync(reader, cancel).ConfigureAwait(false) ?? throw Validation.Unknown(uri);
    }

    /// <summary>
    /// What a range is compared with beside what the caller expects. Where it takes a request to know that, a range has to be worth one, or
    /// the caller to want it.
    /// </summary>
    public static async ValueTask<ReadCheck?> OfRangeAsync(ObjectStore store, ObjectReader reader, long count, Validation validation, string uri, CancellationToken cancel)
    {
        if (!validation.Validate)
            return null;
        bool asks = reader.Meta.Blocks is null && (validation.Edges || (count > 0 && count >= reader.Hints.PartSize));
        if (count > 0 || validation.Required)
        {
            var blocks = asks || reader.Meta.Blocks is not null ? await BlocksAsync(reader, cancel).ConfigureAwait(false) : null;
            if (blocks is not null)
                return blocks;
        }
        if (!validation.Required || validation.Expected is not null || IsCheckedInside(reader))
            return null;
        var meta = reader.Meta;
        if (meta.Checksum is null && meta.Digest is null)
        {
            // S3 says it with the whole object only, not with a range
            var whole = await store.HeadAsync(meta.Key, cancel).ConfigureAwait(false);
            meta = whole.ETag == meta.ETag && whole.Size == meta.Size ? whole : meta;
        }
        return meta.Checksum is { } recorded ? new WholeCheck(recorded, meta, uri) : validation.Foreign(meta) ?? throw Validation.Unknown(uri);
    }

    /// <summary>What several parts are compared with where nothing smaller than the object is recorded: the object, of which the caller reads the rest, too.</summary>
    public static async ValueTask<ReadCheck?> OfPartsAsync(ObjectReader reader, Validation validation, string uri, CancellationToken cancel)
    {
        if (IsCheckedInside(reader))
            return null;
        if (reader.Meta.Checksum is { } recorded)
            return new WholeCheck(recorded, reader.Meta, uri);
        return validation.Foreign(reader.Meta) ?? await BlocksAsync(reader, cancel).ConfigureAwait(false) ?? throw Validation.Unknown(uri);
    }

    static async ValueTask<BlockCheck?> BlocksAsync(ObjectReader reader, CancellationToken cancel)
    {
        var blocks = await reader.FindBlocksAsync(cancel).ConfigureAwait(false);
        return blocks is not null && blocks.Size == reader.Meta.Size ? new BlockCheck(blocks) : null;
    }

    /// <summary>Whether what is decoded was compared on the way.</summary>
    static bool IsCheckedInside(ObjectReader reader) => reader is CompressedReader { IsChecked: true } or SequentialReader { IsChecked: true };
}

/// <summary>Judges a range by the checksum of the whole object, for which the rest is read as well.</summary>
sealed class WholeCheck(Checksum recorded, ObjectMeta meta, string about) : ReadCheck
{
    readonly SortedDictionary<long, (int Length, Checksum Checksum)> _pieces = [];
    readonly Lock _gate = new();
    bool _isMislabelled;

    public override Checksum Append(Checksum before, long offset, ReadOnlySpan<byte> bytes)
    {
        var found = Checksum.Of(bytes);
        lock (_gate)
            _pieces[offset] = (bytes.Length, found);
        return Checksum.Combine(before, found, bytes.Length);
    }

    public override async ValueTask ReadEdgesAsync(ObjectReader reader, long begin, long end, bool edges, CancellationToken cancel)
    {
        await ReadAsync(reader, 0, begin, cancel).ConfigureAwait(false);
        await ReadAsync(reader, end, meta.Size, cancel).ConfigureAwait(false);
        var found = Whole();
        _isMislabelled = found != recorded && await Mislabelled.IsCrc32Async(reader, meta, found, about, cancel).ConfigureAwait(false);
    }

    public override void Check(string uri)
    {
        if (!_isMislabelled)
            new Validation(recorded).Check(meta, uri, Whole());
    }

    Checksum Whole()
    {
        var found = Checksum.Empty;
        foreach (var (length, checksum) in _pieces.Values)
            found = Checksum.Combine(found, checksum, length);
        return found;
    }
}
