namespace S3dlio.Storage;

/// <summary>The containers of an account: S3's buckets, Azure's containers.</summary>
public abstract class ContainerService
{
    /// <summary>Makes a container; one of that name that is already the caller's is no error.</summary>
    public abstract ValueTask CreateAsync(string name, CancellationToken cancel);

    /// <summary>Removes an empty container.</summary>
    /// <exception cref="StoreException">NotFound; Precondition when something is in it.</exception>
    public abstract ValueTask DeleteAsync(string name, CancellationToken cancel);

    public abstract ValueTask<bool> ExistsAsync(string name, CancellationToken cancel);

    /// <summary>All containers that the credentials may list, by name.</summary>
    public abstract ValueTask<IReadOnlyList<ContainerInfo>> ListAsync(CancellationToken cancel);
}

/// <param name="Name">As in its address.</param>
/// <param name="Created">When it was made, where the service says.</param>
public sealed record ContainerInfo(string Name, DateTimeOffset? Created);
