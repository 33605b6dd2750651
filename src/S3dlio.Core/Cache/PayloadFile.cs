using System.Globalization;
using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>A payload that is too large for a record: a file beside the log, whose pieces' checksums stand in the record.</summary>
static class PayloadFile
{
    public const int PieceLength = 256 << 10;

    const string Prefix = "put-", Suffix = ".dat";

    public static long PiecesOf(long size) => (size + PieceLength - 1) / PieceLength;

    public static string Path(string directory, long number) =>
        string.Create(CultureInfo.InvariantCulture, $"{directory}/{Prefix}{number:x16}{Suffix}");

    /// <summary>The number in a file's name; false for other files.</summary>
    public static bool TryParse(string name, out long number)
    {
        number = 0;
        return name.Length == Prefix.Length + 16 + Suffix.Length && name.StartsWith(Prefix, StringComparison.Ordinal)
            && name.EndsWith(Suffix, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(Prefix.Length, 16), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out number);
    }

    /// <summary>Writes a payload, durable with its name when this returns.</summary>
    /// <returns>The checksums of its pieces.</returns>
    /// <exception cref="DiskException">It cannot; what was written is removed, as far as that can be done.</exception>
    public static uint[] Write(
        Disk disk, string directory, long number, IReadOnlyList<ReadOnlyMemory<byte>> parts, CancellationToken cancel)
    {
        string path = Path(directory, number);
        var sums = new List<uint>();
        try
        {
            using (var file = disk.Open(path, DiskOpen.Create))
            {
                long length = parts.Sum(static part => (long)part.Length), at = 0;
                file.Allocate(length);
                uint sum = 0;
                foreach (var part in parts)
                {
                    for (int i = 0; i < part.Length;)
                    {
                        cancel.ThrowIfCancellationRequested();
                        int count = (int)Math.Min(part.Length - i, PieceLength - (at % PieceLength));
                        var piece = part.Slice(i, count);
                        file.Write(piece.Span, at);
                        sum = Crc32C.Append(sum, piece.Span);
                        i += count;
                        at += count;
                        if (at % PieceLength == 0 || at == length)
                        {
                            sums.Add(sum);
                            sum = 0;
                        }
                    }
                }
                file.Flush();
            }
            disk.SyncDirectory(directory);
            return [.. sums];
        }
        catch
        {
            Remove(disk, directory, number);
            throw;
        }
    }

    /// <summary>Fills a buffer from a place on, and compares every piece that it touches with its checksum.</summary>
    /// <exception cref="StoreException">ChecksumMismatch.</exception>
    public static void Read(DiskFile file, JournalRecord record, long offset, Span<byte> target)
    {
        byte[]? scratch = null;
        while (target.Length > 0)
        {
            long piece = offset / PieceLength, start = piece * PieceLength;
            int length = (int)Math.Min(PieceLength, record.Size - start), from = (int)(offset - start);
            int count = Math.Min(length - from, target.Length);
            bool isWhole = from == 0 && count == length;
            var bytes = isWhole ? target[..count] : (scratch ??= new byte[PieceLength]).AsSpan(0, length);
            if (file.Read(bytes, start) != length || Crc32C.Compute(bytes) != record.Pieces[(int)piece])
                throw new StoreException(ErrorKind.ChecksumMismatch, file.Path,
                    $"the journal's copy of '{record.Key}' is damaged: bytes from {start} on are not what was written", start);
            if (!isWhole)
                bytes.Slice(from, count).CopyTo(target);
            offset += count;
            target = target[count..];
        }
    }

    /// <summary>Failing is no failure: whoever opens the journal removes what no record names.</summary>
    public static void Remove(Disk disk, string directory, long number)
    {
        try
        {
            disk.Unlink(Path(directory, number));
        }
        catch (DiskException)
        {
            // gone, or to be removed later
        }
    }
}
