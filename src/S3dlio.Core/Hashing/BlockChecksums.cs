using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace S3dlio.Hashing;

/// <summary>
/// The CRC32C of each of the blocks that an object is made of, in order and without gaps, by which a range is checked without the rest.
/// Blocks may be of different lengths.
/// </summary>
/// <remarks>
/// As text: runs of equal lengths in bytes (<c>262144*63,1000</c>), a semicolon, and the base64 of the values, four bytes each, big-endian.
/// </remarks>
public sealed class BlockChecksums
{
    /// <summary>From this size on an object has blocks; a smaller one is read whole as fast as in part.</summary>
    public const long LeastSize = 1 << 20;

    /// <summary>Few enough that the text fits beside a user's metadata into the 2 KiB that S3 has for both.</summary>
    const int MostBlocks = 64;

    const int LeastLength = 256 << 10;

    /// <summary>S3's greatest number of parts; a text that tells of more is not ours.</summary>
    const int MostRead = 10_000;

    readonly long[] _ends;
    readonly Checksum[] _checksums;

    BlockChecksums(long[] ends, Checksum[] checksums) => (_ends, _checksums) = (ends, checksums);

    public int Count => _checksums.Length;

    /// <summary>Bytes of all blocks together.</summary>
    public long Size => _ends.Length == 0 ? 0 : _ends[^1];

    public Checksum this[int block] => _checksums[block];

    public long Begin(int block) => block == 0 ? 0 : _ends[block - 1];

    public long End(int block) => _ends[block];

    /// <summary>The block that holds the byte at <paramref name="offset"/>, which lies within the size.</summary>
    public int At(long offset)
    {
        int found = Array.BinarySearch(_ends, offset + 1);
        return found >= 0 ? found : ~found;
    }

    /// <summary>How long the blocks of an object of this size are, where they are cut evenly: a power of two, in bytes.</summary>
    public static int EvenLength(long size)
    {
        long length = LeastLength;
        while (length * MostBlocks < size)
            length *= 2;
        return (int)Math.Min(length, 1 << 30);
    }

    /// <summary>From ranges in order, each with its length in bytes; neighbours become one block where there would be too many.</summary>
    /// <returns>Null where there is nothing worth noting.</returns>
    public static BlockChecksums? Join(IReadOnlyList<(long Length, Checksum Checksum)> ranges)
    {
        long size = ranges.Sum(range => range.Length);
        if (size < LeastSize)
            return null;
        long least = Math.Max(LeastLength, (size + MostBlocks - 1) / MostBlocks);
        var ends = new List<long>();
        var checksums = new List<Checksum>();
        long end = 0, length = 0;
        var checksum = Checksum.Empty;
        for (int i = 0; i < ranges.Count; i++)
        {
            checksum = length == 0 ? ranges[i].Checksum : Checksum.Combine(checksum, ranges[i].Checksum, ranges[i].Length);
            length += ranges[i].Length;
            if (length < least && i < ranges.Count - 1)
                continue;
            if (length == 0)
                continue;
            ends.Add(end += length);
            checksums.Add(checksum);
            length = 0;
        }
        return new BlockChecksums([.. ends], [.. checksums]);
    }

    /// <summary>One block for each range, as a server tells them.</summary>
    public static BlockChecksums Of(IReadOnlyList<(long Length, Checksum Checksum)> ranges)
    {
        var ends = new long[ranges.Count];
        long end = 0;
        for (int i = 0; i < ends.Length; i++)
            ends[i] = end += ranges[i].Length;
        return new BlockChecksums(ends, [.. ranges.Select(range => range.Checksum)]);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        for (int i = 0, run; i < Count; i += run)
        {
            long length = End(i) - Begin(i);
            for (run = 1; i + run < Count && End(i + run) - Begin(i + run) == length; run++)
            {
            }
            text.Append(i == 0 ? "" : ",").Append(CultureInfo.InvariantCulture, $"{length}");
            if (run > 1)
                text.Append(CultureInfo.InvariantCulture, $"*{run}");
        }
        var values = new byte[Count * sizeof(uint)];
        for (int i = 0; i < Count; i++)
            BinaryPrimitives.WriteUInt32BigEndian(values.AsSpan(i * sizeof(uint)), _checksums[i].Value);
        return text.Append(';').Append(Convert.ToBase64String(values)).ToString();
    }

    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    /// <param name="text">Of any origin.</param>
    /// <param name="size">Bytes of the object; blocks of another size are another object's.</param>
    /// <returns>Null for anything else: what cannot be read cannot be compared with.</returns>
    public static BlockChecksums? Parse(string text, long size)
    {
        int cut = text.IndexOf(';', StringComparison.Ordinal);
        if (cut < 0)
            return null;
        var values = new byte[Math.Min(text.Length - cut, MostRead * sizeof(uint))];
        if (!Convert.TryFromBase64String(text[(cut + 1)..], values, out int filled) || filled % sizeof(uint) != 0)
            return null;
        // a run may say any number; the values are there or they are not
        int blocks = filled / sizeof(uint);
        var ends = new List<long>();
        long end = 0;
        foreach (string run in text[..cut].Split(','))
        {
            int star = run.IndexOf('*', StringComparison.Ordinal);
            int count = 1;
            if (!long.TryParse(star < 0 ? run : run[..star], NumberStyles.None, CultureInfo.InvariantCulture, out long length)
                    || length <= 0
                || (star >= 0 && !int.TryParse(run[(star + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out count))
                || count < 1 || count > blocks - ends.Count)
                return null;
            for (int i = 0; i < count; i++)
            {
                if (length > size - end)
                    return null;
                ends.Add(end += length);
            }
        }
        if (end != size || ends.Count != blocks)
            return null;
        var checksums = new Checksum[ends.Count];
        for (int i = 0; i < checksums.Length; i++)
            checksums[i] = new Checksum(BinaryPrimitives.ReadUInt32BigEndian(values.AsSpan(i * sizeof(uint))));
        return new BlockChecksums([.. ends], checksums);
    }

    public override bool Equals(object? obj) => obj is BlockChecksums other && ToString() == other.ToString();

    public override int GetHashCode() => ToString().GetHashCode(StringComparison.Ordinal);
}
