"""What only a running page needs: limits for strangers, clips that play while they are made, fits, ZeroGPU."""
