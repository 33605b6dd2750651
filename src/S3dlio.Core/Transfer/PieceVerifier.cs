using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>
/// Hashes the pieces of an object that a read appends, in any order and from any thread, and compares them when all were read.
/// </summary>
abstract class PieceVerifier
{
    /// <summary>Takes in the bytes at <paramref name="offset"/>.</summary>
    /// <returns>The CRC32C of the bytes before, continued over these.</returns>
    public abstract Checksum Append(Checksum before, long offset, ReadOnlySpan<byte> bytes);

    /// <summary>Reads what else the comparison of the range [begin, end) needs.</summary>
    /// <param name="reader">The object.</param>
    /// <param name="begin">First byte of the range.</param>
    /// <param name="end">The byte behind it.</param>
    /// <param name="edges">Whether every byte of the range must be compared.</param>
    public abstract ValueTask ReadEdgesAsync(ObjectReader reader, long begin, long end, bool edges, CancellationToken cancel);

    /// <summary>Reads the bytes of an object that no range covers.</summary>
    /// <param name="reader">The object.</param>
    /// <param name="from">All bytes before this one were appended.</param>
    /// <param name="ranges">What was appended behind it, in any order.</param>
    public async ValueTask ReadRestAsync(ObjectReader reader, long from, IEnumerable<LargeReadRange> ranges, CancellationToken cancel)
    {
        foreach (var (offset, target) in ranges.OrderBy(static range => range.Offset))
        {
            if (offset > from)
                await ReadAsync(reader, from, offset, cancel).ConfigureAwait(false);
            from = Math.Max(from, offset + target.Length);
        }
        await ReadAsync(reader, from, reader.Meta.Size, cancel).ConfigureAwait(false);
        await ReadEdgesAsync(reader, 0, reader.Meta.Size, edges: true, cancel).ConfigureAwait(false);
    }

    /// <summary>Reads and appends the range [begin, end).</summary>
    protected ValueTask ReadAsync(ObjectReader reader, long begin, long end, CancellationToken cancel) =>
        reader.ReadPiecesAsync(begin, end, (at, piece) => Append(Checksum.Empty, at, piece.Span), cancel);

    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public abstract void Check(string uri);
}
