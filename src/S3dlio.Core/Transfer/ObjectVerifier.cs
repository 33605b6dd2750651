using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Verifies a range by the CRC32C of the whole object; the rest of the object is read for it.</summary>
sealed class ObjectVerifier(Checksum recorded, ObjectMeta meta, string address) : PieceVerifier
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
        _isMislabelled = found != recorded
            && await MislabelledCrc32.IsCrc32Async(reader, meta, found, address, cancel).ConfigureAwait(false);
    }

    public override void Check(string uri)
    {
        var found = Whole();
        if (!_isMislabelled && found != recorded)
            throw ReadVerification.Mismatch(meta, uri, recorded, found);
    }

    Checksum Whole()
    {
        var found = Checksum.Empty;
        foreach (var (length, checksum) in _pieces.Values)
            found = Checksum.Combine(found, checksum, length);
        return found;
    }
}
