from setuptools import find_packages, setup

PACKAGE = "vnb_perception"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"": ["py.typed", "**/*.yaml", "**/*.json", "**/*.pt", "**/*.npz", "**/*.xml", "**/*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="VNB maintainers",
    maintainer_email="maintainers@vnb.invalid",
    description="Perception: depth images to object poses, touch to contacts and grasp quality, and their nodes.",
    license="Apache-2.0",
    entry_points={
        "console_scripts": [
            "pose_estimator_node = vnb_perception.nodes.pose_estimator_node:main",
            "pose_fusion_node = vnb_perception.nodes.pose_fusion_node:main",
            "tactile_quality_node = vnb_perception.nodes.tactile_quality_node:main",
        ],
    },
)
