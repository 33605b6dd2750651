using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Verifies a whole object by the digest that another program recorded with it.</summary>
/// <param name="expected">The digest.</param>
/// <param name="size">Bytes of the object.</param>
sealed class DigestVerifier(Digest expected, long size) : PieceVerifier
{
    readonly SortedDictionary<long, (int Length, Digest Digest)> _pieces = [];
    readonly Lock _gate = new();

    public override Checksum Append(Checksum before, long offset, ReadOnlySpan<byte> bytes)
    {
        var found = Digest.Of(expected.Kind, bytes);
        lock (_gate)
            _pieces[offset] = (bytes.Length, found);
        return before.Append(bytes);
    }

    public override async ValueTask ReadEdgesAsync(ObjectReader reader, long begin, long end, bool edges, CancellationToken cancel)
    {
        await ReadAsync(reader, 0, begin, cancel).ConfigureAwait(false);
        await ReadAsync(reader, end, size, cancel).ConfigureAwait(false);
    }

    public override void Check(string uri)
    {
        var found = Digest.Empty(expected.Kind);
        foreach (var (length, digest) in _pieces.Values)
            found = found.Then(digest, length);
        if (found != expected)
            throw StoreException.ChecksumMismatch(uri,
                $"checksum mismatch over {size} bytes: {expected} recorded by the program that wrote it, {found} found. The bytes are "
                + "damaged; validate=False reads them unchecked", 0);
    }
}
