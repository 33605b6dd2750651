using S3dlio.Hashing;
using S3dlio.Storage;

namespace S3dlio.Transfer;

/// <summary>A stretch of one of several objects, and the memory that it goes to.</summary>
/// <param name="Object">Index of the object.</param>
/// <param name="Offset">Where it begins there.</param>
/// <param name="Target">Where its bytes go; as long as the stretch.</param>
/// <param name="Expected">The CRC32C that it must have; null where nothing is known of it.</param>
public readonly record struct ScatterStretch(int Object, long Offset, LargeMemory Target, Checksum? Expected);

/// <summary>Reads stretches of many objects straight to where each belongs, as a checkpoint is loaded on another number of ranks.</summary>
public static class ObjectScatter
{
    /// <param name="objects">The objects; each is opened once, those without stretches not at all.</param>
    /// <param name="stretches">What of them is read, in any order.</param>
    /// <param name="mode">Whether offsets are of decompressed bytes.</param>
    /// <param name="inFlight">How many objects are open at once.</param>
    /// <param name="progress">Hears of bytes.</param>
    /// <param name="cancel">Ends it.</param>
    /// <exception cref="StoreException">
    /// NotFound; InvalidData for a stretch beyond its object's end; ChecksumMismatch with the offset of the first stretch that is not what was expected.
    /// </exception>
    public static async Task ReadAsync(
        IReadOnlyList<ObjectRef> objects, IReadOnlyList<ScatterStretch> stretches, Decompress mode, int inFlight, ITransferProgress progress, CancellationToken cancel)
    {
        var groups = Group(objects, stretches);
        progress.Begin(stretches.Sum(stretch => stretch.Target.Length));
        // opening is a request, or at least a system call, for each object
        await Offload.LeaveCallerAsync();
        int next = -1;
        async Task Work(CancellationToken stop)
        {
            for (int i; (i = Interlocked.Increment(ref next)) < groups.Count;)
            {
                stop.ThrowIfCancellationRequested();
                var (index, members) = groups[i];
                await OneAsync(objects[index], members, mode, progress, stop).ConfigureAwait(false);
            }
        }
        await Together.RunAsync(Math.Min(inFlight, groups.Count), Work, cancel).ConfigureAwait(false);
    }

    static List<(int Object, List<ScatterStretch> Members)> Group(IReadOnlyList<ObjectRef> objects, IReadOnlyList<ScatterStretch> stretches)
    {
        var members = new List<ScatterStretch>?[objects.Count];
        foreach (var stretch in stretches)
        {
            if (stretch.Object < 0 || stretch.Object >= members.Length)
                throw new StoreException(ErrorKind.InvalidArgument, "", $"a stretch names object {stretch.Object} of {members.Length}");
            if (stretch.Offset < 0)
                throw new StoreException(ErrorKind.InvalidArgument, objects[stretch.Object].Uri, $"a stretch begins at {stretch.Offset}");
            if (stretch.Target.Length > 0)
                (members[stretch.Object] ??= []).Add(stretch);
        }
        var groups = new List<(int, List<ScatterStretch>)>();
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

    static async ValueTask OneAsync(ObjectRef place, List<ScatterStretch> members, Decompress mode, ITransferProgress progress, CancellationToken cancel)
    {
        // with the first stretch, not the whole object, the request that opens it brings nothing unwanted
        var options = new ReadOptions { FirstOffset = members[0].Offset, FirstLength = Beginning(members) };
        var reader = await ObjectInput.OpenAsync(place.Store, place.Key, mode, options, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            string uri = place.Store.Root.Child(reader.Meta.Key);
            foreach (var member in members)
            {
                if (member.Offset > reader.Meta.Size - member.Target.Length)
                    throw new StoreException(ErrorKind.InvalidData, uri,
                        $"bytes {member.Offset}..{(decimal)member.Offset + member.Target.Length} are needed, the object has {reader.Meta.Size}: it was cut short, or it is not the one that was written", member.Offset);
            }
            bool hash = members.Exists(member => member.Expected is not null);
            var found = await ParallelRead.ReadAsync(reader, members.ConvertAll(member => new Stretch(member.Offset, member.Target)), hash, progress, cancel).ConfigureAwait(false);
            for (int i = 0; i < found.Length; i++)
            {
                if (members[i].Expected is Checksum expected && expected != found[i])
                    throw new StoreException(ErrorKind.ChecksumMismatch, uri,
                        $"checksum mismatch over bytes {members[i].Offset}..{members[i].Offset + members[i].Target.Length}: {expected} expected, {found[i]} found", members[i].Offset);
            }
        }
    }

    /// <summary>How far the stretches reach from the first one without a gap.</summary>
    static long Beginning(List<ScatterStretch> members)
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
