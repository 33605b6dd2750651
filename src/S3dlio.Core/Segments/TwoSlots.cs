using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Segments;

/// <summary>
/// A small file that is written in place and is always whole: two slots of 4 KiB in turns, each with a generation and a checksum. A crash in
/// the middle of a write leaves the other slot.
/// </summary>
static class TwoSlots
{
    public const int SlotLength = 4096, MostContent = SlotLength - HeaderLength - 4;

    const int HeaderLength = 24;

    static ReadOnlySpan<byte> Magic => "S3DLSLOT"u8;

    /// <summary>The newest content that is whole; null when neither slot is or there is no file.</summary>
    public static (byte[] Content, long Generation)? Read(Disk disk, string path)
    {
        try
        {
            using var file = disk.Open(path, DiskOpen.Read);
            return Read(file);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            return null;
        }
    }

    public static (byte[] Content, long Generation)? Read(DiskFile file)
    {
        (byte[] Content, long Generation)? best = null;
        var slot = new byte[SlotLength];
        for (int i = 0; i < 2; i++)
        {
            int count = file.Read(slot, (long)i * SlotLength);
            if (count < SlotLength || !slot.AsSpan().StartsWith(Magic)
                || Crc32C.Compute(slot.AsSpan(0, SlotLength - 4)) != BinaryPrimitives.ReadUInt32LittleEndian(slot.AsSpan(SlotLength - 4)))
                continue;
            long generation = BinaryPrimitives.ReadInt64LittleEndian(slot.AsSpan(8));
            int length = BinaryPrimitives.ReadInt32LittleEndian(slot.AsSpan(16));
            if (length is < 0 or > MostContent || generation < 0 || generation % 2 != i || best?.Generation > generation)
                continue;
            best = (slot.AsSpan(HeaderLength, length).ToArray(), generation);
        }
        return best;
    }

    /// <summary>Makes the file with its first content, under a temporary name until it is durable. The directory's sync is the caller's.</summary>
    public static void Create(Disk disk, string directory, string name, ReadOnlySpan<byte> content)
    {
        string temporary = $"{directory}/tmp-{name}", path = $"{directory}/{name}";
        using (var file = disk.Open(temporary, DiskOpen.WriteOrCreate))
        {
            file.SetLength(2 * SlotLength);
            Write(file, content, 0);
        }
        disk.Rename(temporary, path);
    }

    /// <summary>Writes the slot that the generation names, and flushes.</summary>
    public static void Write(DiskFile file, ReadOnlySpan<byte> content, long generation)
    {
        var slot = new byte[SlotLength];
        Magic.CopyTo(slot);
        BinaryPrimitives.WriteInt64LittleEndian(slot.AsSpan(8), generation);
        BinaryPrimitives.WriteInt32LittleEndian(slot.AsSpan(16), content.Length);
        content.CopyTo(slot.AsSpan(HeaderLength));
        BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(SlotLength - 4), Crc32C.Compute(slot.AsSpan(0, SlotLength - 4)));
        file.Write(slot, generation % 2 * SlotLength);
        file.Flush();
    }
}
