"""What is in a photo: ResNet50."""
