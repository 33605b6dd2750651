namespace S3dlio.Checkpoint;

/// <summary>Where below <c>shards/</c> a checkpoint's shards lie, so that many ranks need not write below one prefix.</summary>
public enum Placement
{
    /// <summary><c>shards/ckpt-…/</c></summary>
    Flat,
    /// <summary><c>shards/rr/00/ckpt-…/</c> to <c>0f</c>, by the rank modulo 16.</summary>
    RoundRobin,
    /// <summary><c>shards/bin/0000/ckpt-…/</c>, by the first four of the rank's eight binary digits.</summary>
    Binary,
}
