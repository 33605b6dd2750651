using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>Hashes what is read of an object in pieces, in any order and from any thread, and judges when all has come.</summary>
abstract class ReadCheck
{
    /// <summary>Takes note of the bytes at <paramref name="offset"/>.</summary>
    /// <returns>Their CRC32C behind that of what came <paramref name="before"/>.</returns>
    public abstract Checksum Append(Checksum before, long offset, ReadOnlySpan<byte> bytes);

    /// <summary>Reads what else of the object is needed to judge the range [begin, end).</summary>
    /// <param name="reader">The object.</param>
    /// <param name="begin">The range's first byte.</param>
    /// <param name="end">The byte behind it.</param>
    /// <param name="edges">Whether every byte of the range has to be judged.</param>
    /// <param name="cancel">Ends the wait.</param>
    public virtual ValueTask ReadEdgesAsync(ObjectReader reader, long begin, long end, bool edges, CancellationToken cancel) => ValueTask.CompletedTask;

    /// <summary>Reads what stretches leave of an object, for the checksum alone.</summary>
    /// <param name="reader">The object.</param>
    /// <param name="from">Where the first byte lies that was not noted yet.</param>
    /// <param name="stretches">What was noted behind it, in any order.</param>
    /// <param name="cancel">Ends the wait.</param>
    public async ValueTask ReadRestAsync(ObjectReader reader, long from, IEnumerable<Stretch> stretches, CancellationToken cancel)
    {
        foreach (var (offset, target) in stretches.OrderBy(static stretch => stretch.Offset))
        {
            if (offset > from)
                await ReadAsync(reader, from, offset, cancel).ConfigureAwait(false);
            from = Math.Max(from, offset + target.Length);
        }
        await ReadAsync(reader, from, reader.Meta.Size, cancel).ConfigureAwait(false);
        await ReadEdgesAsync(reader, 0, reader.Meta.Size, edges: true, cancel).ConfigureAwait(false);
    }

    /// <summary>Reads a stretch for its checksum alone.</summary>
    protected async ValueTask ReadAsync(ObjectReader reader, long begin, long end, CancellationToken cancel)
    {
        if (begin == end)
            return;
        var buffer = new byte[(int)Math.Min(reader.Hints.PartSize, end - begin)];
        while (begin < end)
        {
            var part = buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - begin));
            await reader.ReadAsync(begin, part, cancel).ConfigureAwait(false);
            Append(Checksum.Empty, begin, part.Span);
            begin += part.Length;
        }
    }

    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public abstract void Check(string uri);
}
