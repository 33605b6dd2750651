namespace S3dlio.Storage;

/// <summary>
/// A rename that is a copy and a delete: between stores, and where a store has nothing better. What is deleted is the version that was
/// copied, and never the copy, whatever the two names are names of: two addresses, endpoints, mounts or gateways may lead to one place, and
/// nothing but a look after the copy tells.
/// </summary>
/// <param name="from">The source's store.</param>
/// <param name="seen">The source, as it is copied.</param>
/// <param name="to">The destination's.</param>
/// <param name="destination">Its key.</param>
public sealed class Move(ObjectStore from, ObjectMeta seen, ObjectStore to, string destination)
{
    /// <summary>After it a server's clock, which stamps objects in whole seconds, shows another.</summary>
    static readonly TimeSpan Tick = TimeSpan.FromSeconds(1.1);

    public ObjectMeta Seen => seen;

    /// <summary>Before the copy: makes sure that the source would look different if it were what the copy replaces.</summary>
    public async ValueTask BeginAsync(CancellationToken cancel)
    {
        if (!from.TagsEachWrite && await ThereAsync(cancel).ConfigureAwait(false) is { } there && there.IsAsSeen(seen))
            await Task.Delay(Tick, cancel).ConfigureAwait(false);
    }

    /// <summary>After the copy: deletes the source, if it is still what was copied.</summary>
    /// <returns>What <paramref name="copied"/> says, or, where both names turn out to be of one object, that object.</returns>
    /// <exception cref="StoreException">Precondition: the source was written meanwhile; both objects are kept.</exception>
    public async ValueTask<ObjectMeta> EndAsync(ObjectMeta copied, CancellationToken cancel)
    {
        if (await from.DeleteSeenAsync(seen.Key, seen, cancel).ConfigureAwait(false))
            return copied;
        var now = await from.HeadOrNullAsync(seen.Key, cancel).ConfigureAwait(false);
        if (now is null)
            return copied;
        // the copy would have changed it
        if (!now.IsAsSeen(seen) && await ThereAsync(cancel).ConfigureAwait(false) is { } there && there.IsAsSeen(now))
            return there;
        throw StoreException.Precondition(from.Root.Child(seen.Key),
            $"the object was written while it was renamed: its ETag was {seen.ETag}, now it is {now.ETag}. Both are kept: "
            + $"{to.Root.Child(destination)} is the one that was there before; rename again, or delete the one that is not wanted");
    }

    async ValueTask<ObjectMeta?> ThereAsync(CancellationToken cancel)
    {
        try
        {
            return await to.HeadOrNullAsync(destination, cancel).ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind is ErrorKind.PermissionDenied or ErrorKind.IsDirectory or ErrorKind.NotDirectory)
        {
            // a caller that may write but not read cannot tell more
            return null;
        }
    }
}
