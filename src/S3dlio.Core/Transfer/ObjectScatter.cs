using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>A byte range of one of several objects, and the memory that it is read into.</summary>
/// <param name="Object">Index of the object.</param>
/// <param name="Offset">First byte of the range.</param>
/// <param name="Target">Memory for its bytes; as long as the range.</param>
/// <param name="Expected">The CRC32C that it must have; null compares nothing.</param>
public readonly record struct ScatterRange(int Object, long Offset, LargeMemory Target, Checksum? Expected);

/// <summary>Reads ranges of many objects straight to where each belongs, as a checkpoint is loaded on another number of ranks.</summary>
public static class ObjectScatter
{
    /// <param name="objects">The objects; each is opened once, and not at all where it has no ranges.</param>
    /// <param name="ranges">The ranges, in any order.</param>
    /// <param name="mode">Whether offsets are of decompressed bytes.</param>
    /// <param name="inFlight">Most objects open at once.</param>
    /// <param name="progress">Receives the number of bytes.</param>
    /// <exception cref="StoreException">
    /// NotFound; InvalidData for a range beyond its object's end; ChecksumMismatch with the offset of the first range that is not what was
    /// expected.
    /// </exception>
    public static async Task ReadAsync(
        IReadOnlyList<ObjectRef> objects, IReadOnlyList<ScatterRange> ranges, Decompress mode, int inFlight, ITransferProgress progress,
        CancellationToken cancel)
    {
        var groups = Group(objects, ranges);
        progress.Begin(ranges.Sum(range => range.Target.Length));
        // opening is a request, or at least a system call, for each object
        await ThreadSwitch.ToPoolAsync();
        await ParallelWork.ForAsync(
            groups.Count, inFlight, (i, stop) => OneAsync(objects[groups[i].Object], groups[i].Members, mode, progress, stop),
            cancel).ConfigureAwait(false);
    }

    static List<(int Object, List<ScatterRange> Members)> Group(IReadOnlyList<ObjectRef> objects, IReadOnlyList<ScatterRange> ranges)
    {
        var members = new List<ScatterRange>?[objects.Count];
        foreach (var range in ranges)
        {
            if (range.Object < 0 || range.Object >= members.Length)
                throw StoreException.InvalidArgument("", $"a range names object {range.Object} of {members.Length}");
            if (range.Offset < 0)
                throw StoreException.InvalidArgument(objects[range.Object].Uri, $"a range begins at {range.Offset}");
            if (range.Target.Length > 0)
                (members[range.Object] ??= []).Add(range);
        }
        var groups = new List<(int, List<ScatterRange>)>();
        for (int i = 0; i < members.Length; i++)
        {
            if (members[i] is { } found)
            {
                found.Sort((a, b) => a.Offset.CompareTo(b.Offset));
                groups.Add((i, found));
            }
        }
        return groups;
    }

    static async ValueTask OneAsync(
        ObjectRef place, List<ScatterRange> members, Decompress mode, ITransferProgress progress, CancellationToken cancel)
    {
        // with the first range, not the whole object, the request that opens it brings nothing unwanted
        var options = new ReadOptions { FirstOffset = members[0].Offset, FirstLength = Beginning(members) };
        var reader = await ObjectInput.OpenAsync(place.Store, place.Key, mode, options, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            string uri = place.Store.Root.Child(reader.Meta.Key);
            foreach (var member in members)
            {
                if (member.Offset > reader.Meta.Size - member.Target.Length)
                    throw StoreException.InvalidData(uri,
                        $"bytes {member.Offset}..{(decimal)member.Offset + member.Target.Length} are needed, the object has "
                        + $"{reader.Meta.Size}: it was cut short, or it is not the one that was written", member.Offset);
            }
            var verification = members.Exists(member => member.Expected is not null) ? ReadVerification.HashOnly : null;
            var ranges = members.ConvertAll(member => new LargeReadRange(member.Offset, member.Target));
            var found = await ParallelRead.ReadAsync(reader, ranges, verification, progress, cancel).ConfigureAwait(false);
            for (int i = 0; i < found.Length; i++)
                ReadVerification.CheckRange(uri, members[i].Offset, members[i].Target.Length, members[i].Expected, found[i]);
        }
    }

    /// <summary>How far the ranges reach from the first one without a gap.</summary>
    static long Beginning(List<ScatterRange> members)
    {
        long end = members[0].Offset;
        foreach (var member in members)
        {
            if (member.Offset > end)
                break;
            end = Math.Max(end, member.Offset + member.Target.Length);
        }
        return end - members[0].Offset;
    }
}
