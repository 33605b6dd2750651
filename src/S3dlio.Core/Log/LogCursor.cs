using System.Buffers.Binary;
using System.Text.RegularExpressions;
using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>
/// A place in a log that a consumer keeps under a name, in a file of its own with two slots: durable when it was set, and whole after any
/// crash. It is one consumer's; of two that set it at the same time one wins.
/// </summary>
static partial class LogCursor
{
    public const string Prefix = "cursor-";

    const int Tries = 3;

    public static long? Get(Disk disk, string directory, string name)
    {
        var slot = TwoSlots.Read(disk, PathOf(directory, name));
        return slot is { Content.Length: sizeof(long) } found ? BinaryPrimitives.ReadInt64LittleEndian(found.Content) : null;
    }

    public static void Set(Disk disk, string directory, string name, long number)
    {
        string path = PathOf(directory, name);
        var content = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(content, number);
        for (int i = 1; ; i++)
        {
            try
            {
                if (TwoSlots.Read(disk, path) is { } slot)
                {
                    using var file = disk.Open(path, DiskOpen.Write);
                    TwoSlots.Write(file, content, slot.Generation + 1);
                }
                else
                {
                    TwoSlots.Create(disk, directory, Prefix + name, content);
                    disk.SyncDirectory(directory);
                }
                return;
            }
            catch (DiskException error) when (error.IsMissing && i < Tries)
            {
                // a writer that opens the log removes temporary files, this one's among them
            }
        }
    }

    static string PathOf(string directory, string name) => Name().IsMatch(name)
        ? $"{directory}/{Prefix}{name}"
        : throw new StoreException(
            ErrorKind.InvalidArgument, directory,
            $"'{(name.Length <= 100 ? name : name[..100] + "…")}' is no name of a cursor: 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'");

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,64}\z")]
    private static partial Regex Name();
}
