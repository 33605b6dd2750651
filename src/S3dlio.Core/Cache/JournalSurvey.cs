using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>The writes that wait for one place.</summary>
/// <param name="Root">Its address.</param>
/// <param name="Place">Its name among the journals.</param>
/// <param name="Writes">Oldest first.</param>
public sealed record JournalShare(string Root, string Place, IReadOnlyList<WaitingWrite> Writes);

/// <summary>Looks through the journals of a cache without taking any.</summary>
public static class JournalSurvey
{
    /// <exception cref="StoreException">NotFound: no cache lies there.</exception>
    public static IReadOnlyList<JournalShare> Find(string directory, CancellationToken cancel)
    {
        string root = $"{CacheDirectory.OpenExisting(directory).Path}/journal";
        if (Interop.Status(root, follow: false, out _) != 0)
            return [];
        var writes = new SortedDictionary<long, (string Place, WaitingWrite Write)>();
        var roots = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (string name in LocalDisk.Shared.List(root))
        {
            cancel.ThrowIfCancellationRequested();
            if (!JournalPlace.TryParse(name, out string place, out int number)
                || WriteJournal.TryFollow(LocalDisk.Shared, $"{root}/{name}", number) is not { } journal)
                continue;
            using (journal)
            {
                if (JournalPlace.RootOf(journal.Schema) is not { } address)
                    continue;
                roots[place] = address;
                Read(journal, place, address, writes);
            }
        }
        return [.. roots.Select(one => new JournalShare(one.Value, one.Key,
            [.. writes.Values.Where(write => write.Place == one.Key).Select(static write => write.Write)]))];
    }

    /// <summary>Whether a store's writes are those of that place.</summary>
    public static bool IsOf(JournalShare share, ObjectStore store) => WriteBack.PlaceOf(store.DeepestOf("x").Store) == share.Place;

    static void Read(WriteJournal journal, string place, string address, SortedDictionary<long, (string, WaitingWrite Write)> writes)
    {
        foreach (var (_, record) in journal.ReadNew())
        {
            switch (record.Kind)
            {
                case JournalKind.Put or JournalKind.Delete:
                    writes[record.Stamp] = (place, new WaitingWrite(address + record.Key, record.Kind == JournalKind.Delete, record.Size,
                        record.Time, false, 0, null));
                    break;
                case JournalKind.Done:
                    writes.Remove(record.Stamp);
                    break;
                case JournalKind.Parked or JournalKind.Retry when writes.TryGetValue(record.Stamp, out var write):
                    bool isParked = record.Kind == JournalKind.Parked;
                    writes[record.Stamp] = (place, write.Write with
                    {
                        IsParked = isParked,
                        Error = isParked ? new StoreException(record.Error, write.Write.Uri, record.Text ?? "") : null,
                    });
                    break;
            }
        }
    }
}
